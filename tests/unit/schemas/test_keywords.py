"""The keyword table is whole, and every field that it names exists."""

from pathlib import Path

import msgspec

from agentgauge_schemas.block import Block, BlockHeaders, Resource
from agentgauge_schemas.event import Event
from agentgauge_schemas.keywords import CLIENT, LOCAL, QUERY, RULE, keywords, markdown_table

SIGNATURES = Path(__file__).with_name("reference_signatures.txt")
FIELDS = {
    f"{struct.__name__}.{field}"
    for struct in (Event, Resource, Block, BlockHeaders)
    for field in (found.name for found in msgspec.structs.fields(struct))
}


def documented() -> set[tuple[str, str, str]]:
    """(document, signature, keyword) of the committed list."""
    found, document = set(), ""
    for line in SIGNATURES.read_text().splitlines():
        if line.startswith("["):
            document = line.strip("[]")
        elif line and not line.startswith("#"):
            signature, _, parameters = line.removesuffix(")").rpartition("(")
            found |= {(document, signature, keyword) for keyword in parameters.split(", ")}
    return found


def test_every_documented_keyword_is_in_the_table_and_nothing_else() -> None:
    table = {(row.document, row.signature, row.keyword) for row in keywords()}
    assert table == documented()


def test_every_destination_exists() -> None:
    named = {destination for row in keywords() for destination in row.destinations}
    assert named - FIELDS == {CLIENT, LOCAL, QUERY, RULE}


def test_the_documents_name_more_than_two_hundred_keywords_in_five_documents() -> None:
    rows = list(keywords())
    assert len(rows) > 200
    assert len({row.document for row in rows}) == 5


def test_the_markdown_table_has_a_row_for_each_keyword() -> None:
    lines = markdown_table().splitlines()
    assert len(lines) == 2 + len(list(keywords()))
    assert "| agentmonitor-sdk | `AgentMonitor.log_event` | `latency_ms` | `Event.duration_us` |" in lines
    assert "| agenttrace-sdk | `AgentTrace` | `api_key` | client setting |" in lines
