import re
from pathlib import Path

from agentgauge_sinks.prometheus.metrics import ALL, EXPOSED_VIEWS, LABELS, markdown_table

DOCUMENT = Path(__file__).parents[3] / "docs/metrics.md"


def test_the_documents_table_is_that_of_the_definitions() -> None:
    assert markdown_table() in DOCUMENT.read_text(encoding="utf-8")


def test_names_are_unique_and_as_prometheus_wants_them() -> None:
    names = [metric.name for metric in ALL]
    assert len(set(names)) == len(names)
    for metric in ALL:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", metric.name), metric.name
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.help.endswith("."), metric.name


def test_no_label_is_an_id() -> None:
    labels = {label for metric in ALL for label in metric.labels}
    assert not {
        label for label in labels if re.search(r"user|session|trace|conversation|_id$|producer$", label)
    }


def test_labels_of_the_views_are_those_of_the_conventions() -> None:
    assert tuple(LABELS) == EXPOSED_VIEWS
    assert LABELS["llm"] == (
        "project",
        "environment",
        "gen_ai_agent_name",
        "gen_ai_operation_name",
        "gen_ai_provider_name",
        "gen_ai_request_model",
    )
    assert LABELS["tool"] == ("project", "gen_ai_agent_name", "gen_ai_tool_name")
