"""Every metric of the Prometheus sink: name, kind, labels and meaning, each defined once.

Names of the OpenTelemetry GenAI conventions are translated as Prometheus does it: dots become
underscores, then comes the unit, then `_total`. `docs/metrics.md` has this table (a test compares).
"""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from agentgauge_schemas import conventions
from agentgauge_schemas.group import VIEWS

EXPOSED_VIEWS: Final = ("llm", "tool", "function", "agent")
"""Not `user`: ids of users, traces and sessions are no labels, for each would be a series for ever."""

WINDOWED: Final = ("1m", "5m")


def label_of(attribute: str) -> str:
    """The label of a view's attribute: as the conventions name it where they do, else as we do."""
    name = conventions.ATTRIBUTES.get(attribute, "")
    return name.replace(".", "_") if name.startswith("gen_ai.") else attribute


LABELS: Final = {view: tuple(label_of(name) for name in VIEWS[view]) for view in EXPOSED_VIEWS}


class Metric(msgspec.Struct, frozen=True):
    """One metric family. `name` is what Prometheus stores: of a counter with `_total`."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str


def _translated(name: str, unit: str) -> str:
    return f"{name.replace('.', '_')}_{unit}"


class ViewMetrics(msgspec.Struct, frozen=True):
    """What every view has."""

    calls: Metric
    errors: Metric
    duration: Metric


def _view(view: str, calls: str, errors: str, duration: str, what: str) -> ViewMetrics:
    labels = LABELS[view]
    return ViewMetrics(
        Metric(calls, "counter", labels, f"{what}, finished."),
        Metric(errors, "counter", (*labels, "error_type"), f"{what} that failed."),
        Metric(duration, "histogram", labels, f"Duration of {what[0].lower() + what[1:]}."),
    )


VIEW_METRICS: Final = {
    "llm": _view(
        "llm",
        "agentgauge_operations_total",
        "agentgauge_errors_total",
        _translated(conventions.OPERATION_DURATION, "seconds"),
        "Calls of models",
    ),
    "tool": _view(
        "tool",
        "agentgauge_tool_calls_total",
        "agentgauge_tool_errors_total",
        "agentgauge_tool_duration_seconds",
        "Calls of tools",
    ),
    "function": _view(
        "function",
        "agentgauge_function_calls_total",
        "agentgauge_function_errors_total",
        "agentgauge_function_duration_seconds",
        "Traced functions, agent runs and retrievals",
    ),
    "agent": _view(
        "agent",
        "agentgauge_agent_spans_total",
        "agentgauge_agent_errors_total",
        "agentgauge_agent_span_duration_seconds",
        "Spans of an agent, whatever they are",
    ),
}

TIME_TO_FIRST_TOKEN: Final = Metric(
    _translated(conventions.TIME_TO_FIRST_TOKEN, "seconds"),
    "histogram",
    LABELS["llm"],
    "From the request to the first chunk of the response, where it was streamed.",
)
TOKEN_USAGE: Final = Metric(
    _translated(conventions.TOKEN_USAGE, "total"),
    "counter",
    (*LABELS["llm"], "gen_ai_token_type"),
    "Tokens by type. input includes cache_read and cache_write, output includes reasoning: "
    "add input and output only. unspecified is a total that came without a split.",
)
COST: Final = Metric(
    "agentgauge_cost_usd_total",
    "counter",
    LABELS["llm"],
    "Cost of calls of models in USD, computed or as the provider or the user stated it.",
)
UNPRICED_CALLS: Final = Metric(
    "agentgauge_unpriced_calls_total",
    "counter",
    LABELS["llm"],
    "Calls of models whose price is unknown, or whose token counts contradict each other: "
    "their cost is missing in the sums.",
)
AGENT_COST: Final = Metric(
    "agentgauge_agent_cost_usd_total",
    "counter",
    LABELS["agent"],
    "All cost of an agent in USD: its calls of models and what was set on other spans.",
)
AGENT_EVENTS: Final = Metric(
    "agentgauge_agent_events_total",
    "counter",
    (*LABELS["agent"], "kind"),
    "Events of an agent by kind: spans, messages, scores, and so on.",
)
FLAGGED_EVENTS: Final = Metric(
    "agentgauge_flagged_events_total",
    "counter",
    (*LABELS["agent"], "flag"),
    "Events with something odd: late, future, truncated, token_mismatch, unpriced, unsampled.",
)

_WINDOW_LABELS: Final = ("view", "window")
WINDOW_OPERATIONS: Final = Metric(
    "agentgauge_window_operations", "gauge", _WINDOW_LABELS, "Spans in the last closed window."
)
WINDOW_ERROR_RATIO: Final = Metric(
    "agentgauge_window_error_ratio",
    "gauge",
    _WINDOW_LABELS,
    "Share of them that failed, 0 to 1.",
)
WINDOW_DURATION: Final = Metric(
    "agentgauge_window_duration_seconds",
    "gauge",
    (*_WINDOW_LABELS, "quantile"),
    "Quantiles 0.5, 0.95 and 0.99 of their duration, within 1.1 %.",
)
WINDOW_COST: Final = Metric("agentgauge_window_cost_usd", "gauge", _WINDOW_LABELS, "Their cost in USD.")

_SERVICE: Final = ("project", "service")
PRODUCER_EVENTS: Final = Metric(
    "agentgauge_producer_events_total",
    "counter",
    (*_SERVICE, "outcome"),
    "What became of the events of a service: accepted, duplicate, rejected (dead letters) or lost "
    "(given up after they did not arrive).",
)
EVENTS_DROPPED: Final = Metric(
    "agentgauge_events_dropped_total",
    "counter",
    (*_SERVICE, "reason"),
    "Events that the service's own SDK gave up before sending, by its reason.",
)
EVENTS_MISSING: Final = Metric(
    "agentgauge_events_missing",
    "gauge",
    _SERVICE,
    "Events that were sent, as later ones show, and have not arrived (yet).",
)
PRODUCERS: Final = Metric(
    "agentgauge_producers",
    "gauge",
    (*_SERVICE, "state"),
    "Producers by state: active, final (ended cleanly), or silent (nothing for 90 s and no goodbye).",
)
EVENTS_UNREPORTED: Final = Metric(
    "agentgauge_events_unreported",
    "gauge",
    _SERVICE,
    "About how many events went with the silent ones: what waited in them when last heard of.",
)

SERIES_AGE: Final = Metric(
    "agentgauge_series_age_seconds", "gauge", (), "Time since merge last published any group's totals."
)
WATERMARK_DELAY: Final = Metric(
    "agentgauge_watermark_delay_seconds",
    "gauge",
    (),
    "How far the pipeline's event time is behind the clock: windows close this much later.",
)
DEAD_LETTERS: Final = Metric(
    "agentgauge_dead_letters", "gauge", ("reason",), "Records in the dead-letter topic, kept for 14 days."
)

ALL: Final[Sequence[Metric]] = (
    *(metric for view in VIEW_METRICS.values() for metric in (view.calls, view.errors, view.duration)),
    TIME_TO_FIRST_TOKEN,
    TOKEN_USAGE,
    COST,
    UNPRICED_CALLS,
    AGENT_COST,
    AGENT_EVENTS,
    FLAGGED_EVENTS,
    WINDOW_OPERATIONS,
    WINDOW_ERROR_RATIO,
    WINDOW_DURATION,
    WINDOW_COST,
    PRODUCER_EVENTS,
    EVENTS_DROPPED,
    EVENTS_MISSING,
    PRODUCERS,
    EVENTS_UNREPORTED,
    SERIES_AGE,
    WATERMARK_DELAY,
    DEAD_LETTERS,
)
"""In the order in which they are exposed."""


def markdown_table() -> str:
    """The table of `docs/metrics.md`."""
    lines = ["| metric | kind | labels | meaning |", "|---|---|---|---|"]
    for metric in ALL:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |")
    return "\n".join(lines)
