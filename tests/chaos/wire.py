"""The wire format as a stranger would write it, from the documentation: nothing of ours is imported.

Also the truth: what a block adds to groups and windows, by the rules that the documentation states.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

PROJECT, ENVIRONMENT, RELEASE, SERVICE = "chaos", "test", "r1", "generator"
SIZES_S = (10, 60, 300, 3_600, 86_400)

Event = dict[str, int | str]


def headers(producer: str, partition: int, seq: int, count: int) -> list[tuple[str, bytes]]:
    """Of one block."""
    fields = {"schema": 1, "format": "json", "producer": producer, "partition": partition}
    fields |= {"seq": seq, "count": count, "flush": 1000}
    return [(name, str(value).encode()) for name, value in fields.items()]


def value(events: list[Event], *, final: bool = False) -> bytes:
    """Of one block."""
    resource = {"project": PROJECT, "environment": ENVIRONMENT, "release": RELEASE, "service": SERVICE}
    block: dict[str, object] = {"resource": resource, "events": events}
    if final:
        block["final"] = True
    return json.dumps(block, separators=(",", ":")).encode()


def model_call(time_us: int, agent: str, user: str, model: str, number: int) -> Event:
    """A call of a model that failed every 17th time; its cost is stated, so no price table matters."""
    event: Event = {
        "kind": "span",
        "operation": "chat",
        "time_us": time_us,
        "duration_us": 1000 + number % 900_000,
        "agent": agent,
        "user": user,
        "provider": "acme",
        "model": model,
        "input_tokens": number % 5000,
        "output_tokens": number % 700,
        "cost_nanousd": number % 1_000_003,
        "cost_source": "user",
    }
    return event | ({"status": "error", "error_type": "overloaded"} if number % 17 == 0 else {})


def tool_call(time_us: int, agent: str, user: str, tool: str, number: int) -> Event:
    """A call of a tool that failed every 11th time."""
    event: Event = {
        "kind": "span",
        "operation": "execute_tool",
        "time_us": time_us,
        "duration_us": 500 + number % 90_000,
        "agent": agent,
        "user": user,
        "tool": tool,
    }
    return event | ({"status": "error", "error_type": "timeout"} if number % 11 == 0 else {})


def keys(event: Event) -> Iterable[str]:
    """The groups that an event counts in."""
    agent = str(event["agent"])
    if event["operation"] == "chat":
        names = ["llm", PROJECT, ENVIRONMENT, agent, "chat", str(event["provider"]), str(event["model"])]
    else:
        names = ["tool", PROJECT, agent, str(event["tool"])]
    yield json.dumps(names, separators=(",", ":"))
    yield json.dumps(["agent", PROJECT, ENVIRONMENT, agent, RELEASE], separators=(",", ":"))
    yield json.dumps(["user", PROJECT, str(event["user"])], separators=(",", ":"))


FIELDS = ("count", "errors", "input_tokens", "output_tokens", "cost_nanousd", "duration_sum_us")
"""What is summed of each group, in this order."""

Sums = list[int]


def measures(event: Event) -> Sums:
    """What one event adds."""
    numbers = [
        event.get(name, 0) for name in ("input_tokens", "output_tokens", "cost_nanousd", "duration_us")
    ]
    return [1, int(event.get("status") == "error"), *map(int, numbers)]


@dataclass
class Truth:
    """What must come out."""

    totals: dict[str, Sums] = field(default_factory=dict)
    windows: dict[str, Sums] = field(default_factory=dict)
    """By `key|size|start`, seconds."""
    sent: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Producer -> events that were sent at least once."""
    lost: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Producer -> events that were never sent."""

    def add(self, producer: str, events: Iterable[Event]) -> None:
        """Events that will arrive."""
        for event in events:
            self.sent[producer] += 1
            amounts, second = measures(event), int(event["time_us"]) // 1_000_000
            for key in keys(event):
                _add(self.totals, key, amounts)
                for size in SIZES_S:
                    _add(self.windows, f"{key}|{size}|{second - second % size}", amounts)

    def merge(self, other: "Truth") -> None:
        """What another generator sent."""
        for mine, theirs in ((self.totals, other.totals), (self.windows, other.windows)):
            for key, amounts in theirs.items():
                _add(mine, key, amounts)
        for counts, more in ((self.sent, other.sent), (self.lost, other.lost)):
            for producer, count in more.items():
                counts[producer] = counts.get(producer, 0) + count

    def to_json(self) -> str:
        """For a file."""
        return json.dumps(vars(self))

    @classmethod
    def from_json(cls, text: str) -> "Truth":
        """From a file."""
        return cls(**json.loads(text))


def _add(sums: dict[str, Sums], key: str, amounts: Sums) -> None:
    known = sums.get(key)
    if known is None:
        sums[key] = list(amounts)
    else:
        for index, amount in enumerate(amounts):
            known[index] += amount


def aggregate(total: Mapping[str, object]) -> Sums:
    """The same numbers out of a published aggregate."""
    errors = total.get("errors", {})
    assert isinstance(errors, dict)
    found = [total.get(name, 0) for name in FIELDS]
    found[1] = sum(errors.values())
    return [int(str(number)) for number in found]
