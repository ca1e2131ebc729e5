"""Observe a small agent. Start a pipeline first (`agentgauge up`), then run this and look at it:

    python examples/quickstart.py
    agentgauge report

Without a pipeline it runs as well, and says what it could not deliver. To see the events only:

    AGENTGAUGE_URL=console: python examples/quickstart.py
"""

import random
import time

import agentgauge

agentgauge.init(service="quickstart", agent="planner", redact_keys=["password", "api_key"])


@agentgauge.observe(event_type="tool_call")
def search(query: str, api_key: str) -> list[str]:
    """A tool: its calls are counted by name, and `api_key` is never seen."""
    time.sleep(0.01)
    return [f"{query}: result {number}" for number in range(3)]


def ask_model(question: str) -> str:
    """A call of a model: what it used is what it costs."""
    with agentgauge.generation("answer", model="claude-haiku-4-5", provider="anthropic") as call:
        call.input = [{"role": "user", "content": question}]
        time.sleep(random.uniform(0.02, 0.05))
        call.output = "A broker keeps messages until they are read."
        call.usage = {"input_tokens": 1200, "cache_read_input_tokens": 300, "output_tokens": 60}
    return str(call.output)


@agentgauge.observe
def answer(question: str) -> str:
    """A run of the agent: what it calls is inside it."""
    search(question, api_key="not-to-be-seen")
    if random.random() < 0.1:
        raise RuntimeError("no idea")
    reply = ask_model(question)
    agentgauge.score("length", len(reply))
    return reply


def main() -> None:
    """Ask twenty times."""
    for number in range(20):
        try:
            answer(f"What is a broker? ({number})")
        except RuntimeError as error:
            print(error)
    print(agentgauge.flush())


if __name__ == "__main__":
    main()
