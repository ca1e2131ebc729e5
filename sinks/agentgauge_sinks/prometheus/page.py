"""From the newest records to the page that Prometheus scrapes, at each scrape anew."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from agentgauge_schemas.account import Account, ServiceTotals
from agentgauge_schemas.aggregate import Aggregate
from agentgauge_schemas.group import OVERFLOW
from agentgauge_schemas.histogram import DURATION_BOUNDARIES_S, DURATION_UNIT_US, at_most
from agentgauge_schemas.money import NANO
from agentgauge_schemas.results import Series, WindowSummary
from agentgauge_sinks.prometheus import metrics
from agentgauge_sinks.prometheus.exposition import Page, also, labels_text
from agentgauge_sinks.prometheus.metrics import Metric, label_of
from agentgauge_sinks.prometheus.state import DAY_US, LETTERS_KEPT_DAYS, Held, Snapshot

IDLE_AFTER_US: Final = DAY_US
"""A group whose record is older is not exposed until it changes again."""
SECOND_US: Final = 1_000_000
WINDOW_US: Final = {"1m": 60 * SECOND_US, "5m": 300 * SECOND_US}

_BOUNDARIES: Final = [seconds * SECOND_US / DURATION_UNIT_US for seconds in DURATION_BOUNDARIES_S]
_LE: Final = [str(seconds) for seconds in DURATION_BOUNDARIES_S]


def render(snapshot: Snapshot, now_us: int) -> str:
    """The whole page, in the text format."""
    page = Page(metrics.ALL)
    watermark_us = max((held.series.watermark_us for held in snapshot.series), default=0)
    for series in _exposed(snapshot.series, now_us):
        _add_series(page, series, watermark_us)
    _add_producers(page, snapshot, now_us)
    _add_health(page, snapshot, now_us, watermark_us)
    return page.text()


def _exposed(held: Iterable[Held], now_us: int) -> Iterable[Series]:
    """Groups that changed within a day. Each merge partition may have an overflow group of a view:
    they have the same labels and are shown as one.
    """
    overflow: dict[str, Series] = {}
    for series, updated_us in held:
        if all(value == OVERFLOW for value in series.group.values()):
            found = overflow.get(series.view)
            if found is None:
                found = overflow[series.view] = Series(
                    view=series.view, group=series.group, version=0, total=Aggregate()
                )
            found.total.add(series.total)
        elif now_us - updated_us <= IDLE_AFTER_US:
            yield series
    yield from overflow.values()


def _add_series(page: Page, series: Series, watermark_us: int) -> None:
    view, total = metrics.VIEW_METRICS[series.view], series.total
    labels = labels_text({label_of(attribute): value for attribute, value in series.group.items()})
    page.add(view.calls, labels, total.count)
    for error_type, count in total.errors.items():
        page.add(view.errors, also(labels, "error_type", error_type), count)
    _add_histogram(page, view.duration, labels, total.duration_buckets, total.duration_sum_us)
    if series.view == "llm":
        _add_model(page, labels, total)
    elif series.view == "agent":
        _add_agent(page, labels, total)
    for name, summary in series.windows.items():
        length_us = WINDOW_US.get(name)
        # A group that has gone quiet keeps its last window: it is shown while it is of the last two.
        if length_us is not None and summary.start_us + 3 * length_us > watermark_us:
            _add_window(page, f'view="{series.view}",window="{name}",{labels}', summary)


def _add_histogram(page: Page, metric: Metric, labels: str, buckets: Mapping[int, int], sum_us: int) -> None:
    """Nothing where nothing was measured."""
    if buckets:
        below = dict(zip(_LE, at_most(buckets, _BOUNDARIES), strict=True))
        page.add_histogram(metric, labels, below, sum(buckets.values()), sum_us / SECOND_US)


def _add_model(page: Page, labels: str, total: Aggregate) -> None:
    _add_histogram(page, metrics.TIME_TO_FIRST_TOKEN, labels, total.ttft_buckets, total.ttft_sum_us)
    tokens = {
        "input": total.input_tokens,
        "output": total.output_tokens,
        "cache_read": total.cache_read_tokens,
        "cache_write": total.cache_write_5m_tokens + total.cache_write_1h_tokens,
        "reasoning": total.reasoning_tokens,
        "unspecified": total.unspecified_tokens,
    }
    for kind, count in tokens.items():
        page.add(metrics.TOKEN_USAGE, also(labels, "gen_ai_token_type", kind), count)
    page.add(metrics.COST, labels, total.cost_nanousd / NANO)
    page.add(metrics.UNPRICED_CALLS, labels, total.flags.get("unpriced", 0))


def _add_agent(page: Page, labels: str, total: Aggregate) -> None:
    page.add(metrics.AGENT_COST, labels, total.cost_nanousd / NANO)
    for kind, count in {"span": total.count, **total.kinds}.items():
        page.add(metrics.AGENT_EVENTS, also(labels, "kind", kind), count)
    for flag, count in total.flags.items():
        page.add(metrics.FLAGGED_EVENTS, also(labels, "flag", flag), count)


def _add_window(page: Page, labels: str, window: WindowSummary) -> None:
    page.add(metrics.WINDOW_OPERATIONS, labels, window.count)
    page.add(metrics.WINDOW_COST, labels, window.cost_nanousd / NANO)
    if window.count:
        page.add(metrics.WINDOW_ERROR_RATIO, labels, window.errors / window.count)
    for quantile, value_us in (("0.5", window.p50_us), ("0.95", window.p95_us), ("0.99", window.p99_us)):
        if value_us is not None:
            page.add(metrics.WINDOW_DURATION, also(labels, "quantile", quantile), value_us / SECOND_US)


def _add_producers(page: Page, snapshot: Snapshot, now_us: int) -> None:
    outcomes: Counter[tuple[str, str, str]] = Counter()
    dropped: Counter[tuple[str, str, str]] = Counter()
    states: Counter[tuple[str, str, str]] = Counter()
    missing: Counter[tuple[str, str]] = Counter()
    unreported: Counter[tuple[str, str]] = Counter()
    books: list[Account | ServiceTotals] = [*snapshot.accounts, *snapshot.services]
    for each in books:
        for outcome, count in (
            ("accepted", each.accepted),
            ("duplicate", each.duplicates),
            ("rejected", each.rejected),
            ("lost", each.lost),
        ):
            outcomes[each.project, each.service, outcome] += count
        for reason, count in each.dropped.items():
            dropped[each.project, each.service, reason] += count
    for account in snapshot.accounts:
        service = (account.project, account.service)
        silent = account.ended_silently(now_us)
        states[(*service, "silent" if silent else "final" if account.final else "active")] += 1
        missing[service] += account.missing
        unreported[service] += account.queue_depth if silent else 0
    for metric, counts, label in (
        (metrics.PRODUCER_EVENTS, outcomes, "outcome"),
        (metrics.EVENTS_DROPPED, dropped, "reason"),
        (metrics.PRODUCERS, states, "state"),
    ):
        for (project, name, value), count in counts.items():
            page.add(metric, labels_text({"project": project, "service": name, label: value}), count)
    for metric, by_service in ((metrics.EVENTS_MISSING, missing), (metrics.EVENTS_UNREPORTED, unreported)):
        for (project, name), count in by_service.items():
            page.add(metric, labels_text({"project": project, "service": name}), count)


def _add_health(page: Page, snapshot: Snapshot, now_us: int, watermark_us: int) -> None:
    if snapshot.series:
        newest_us = max(held.updated_us for held in snapshot.series)
        page.add(metrics.SERIES_AGE, "", max(0, now_us - newest_us) / SECOND_US)
    if watermark_us:
        page.add(metrics.WATERMARK_DELAY, "", max(0, now_us - watermark_us) / SECOND_US)
    letters: Counter[str] = Counter()
    for (reason, day), count in snapshot.dead_letters.items():
        if day >= now_us // DAY_US - LETTERS_KEPT_DAYS:
            letters[reason] += count
    for reason, count in letters.items():
        page.add(metrics.DEAD_LETTERS, labels_text({"reason": reason}), count)
