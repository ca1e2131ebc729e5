from prometheus_client.parser import text_string_to_metric_families

from agentgauge_sinks.prometheus.exposition import Page, also, labels_text
from agentgauge_sinks.prometheus.metrics import Metric

CALLS = Metric("calls_total", "counter", ("agent",), "Calls.")
SECONDS = Metric("call_seconds", "histogram", ("agent",), "Duration.")
AGE = Metric("age_seconds", "gauge", (), "Age.")
METRICS = (CALLS, SECONDS, AGE)

Found = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(page: Page) -> Found:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.text())
        for sample in family.samples
    }


def test_any_text_can_be_a_label() -> None:
    page = Page(METRICS)
    names = ['a"b', "a\\b", "a\nb", "a\\nb", "{x=1}", "naïve 🙂", "", "a,b"]
    for number, name in enumerate(names):
        page.add(CALLS, labels_text({"agent": name}), number)
    assert parsed(page) == {("calls_total", (("agent", name),)): number for number, name in enumerate(names)}


def test_samples_of_a_metric_stand_together_in_the_metrics_order() -> None:
    page = Page(METRICS)
    page.add(AGE, "", 0.5)
    for agent in ("a", "b"):
        page.add(CALLS, labels_text({"agent": agent}), 1)
    assert page.text() == (
        "# HELP calls_total Calls.\n"
        "# TYPE calls_total counter\n"
        'calls_total{agent="a"} 1\n'
        'calls_total{agent="b"} 1\n'
        "# HELP age_seconds Age.\n"
        "# TYPE age_seconds gauge\n"
        "age_seconds{} 0.5\n"
    )


def test_a_histogram_has_its_boundaries_its_sum_and_its_count() -> None:
    page = Page(METRICS)
    page.add_histogram(SECONDS, labels_text({"agent": "a"}), {"0.01": 1, "0.02": 3}, 4, 1.25)
    page.add_histogram(SECONDS, "", {"0.01": 0}, 1, 2.0)
    agent = ("agent", "a")
    assert parsed(page) == {
        ("call_seconds_bucket", (agent, ("le", "0.01"))): 1,
        ("call_seconds_bucket", (agent, ("le", "0.02"))): 3,
        ("call_seconds_bucket", (agent, ("le", "+Inf"))): 4,
        ("call_seconds_sum", (agent,)): 1.25,
        ("call_seconds_count", (agent,)): 4,
        ("call_seconds_bucket", (("le", "0.01"),)): 0,
        ("call_seconds_bucket", (("le", "+Inf"),)): 1,
        ("call_seconds_sum", ()): 2.0,
        ("call_seconds_count", ()): 1,
    }


def test_large_integers_are_written_exactly() -> None:
    page = Page(METRICS)
    page.add(CALLS, "", 2**53 - 1)
    assert "calls_total{} 9007199254740991\n" in page.text()


def test_also_adds_a_label_to_any_number_of_them() -> None:
    assert also("", "a", "1") == 'a="1"'
    assert also('a="1"', "b", "x") == 'a="1",b="x"'
