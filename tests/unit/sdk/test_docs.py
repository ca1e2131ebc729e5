"""docs/sdk.md says what the settings are, and its examples run."""

import re

from tests.support.sdk_docs import PAGE, generated, written

import agentgauge
from agentgauge import Client
from agentgauge.testing import MemoryTransport


def test_the_table_of_settings_is_the_generated_one() -> None:
    assert written() == generated()


def test_the_examples_run(transport: MemoryTransport) -> None:
    with Client(transport=transport) as client:
        namespace: dict[str, object] = {"agentgauge": agentgauge, "client": client}
        for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
            if "agentgauge.init(" not in block:
                exec(block, namespace)
        assert client.flush(5).dropped == 0
    found = {event.name: event for event in transport.events}
    assert found["answer"].output == "Nine."
    assert found["reply"].parent_id == found["answer"].span_id
    assert (found["reply"].input_tokens, found["reply"].cache_read_tokens) == (1500, 300)
    assert found["search"].tool == "search"
    assert found["index"].metadata == {"documents": 3}
    assert found["helpful"].value is True
