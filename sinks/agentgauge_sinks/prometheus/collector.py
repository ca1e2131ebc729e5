"""From the newest records to metric families, at each scrape anew."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from agentgauge_schemas.account import Account, ServiceTotals
from agentgauge_schemas.aggregate import Aggregate
from agentgauge_schemas.group import OVERFLOW
from agentgauge_schemas.histogram import DURATION_BOUNDARIES_S, DURATION_UNIT_US, at_most
from agentgauge_schemas.money import NANO
from agentgauge_schemas.results import Series, WindowSummary
from agentgauge_sinks.prometheus import metrics
from agentgauge_sinks.prometheus.metrics import Metric, label_of
from agentgauge_sinks.prometheus.state import DAY_US, LETTERS_KEPT_DAYS, Held, Snapshot

IDLE_AFTER_US: Final = DAY_US
"""A group whose record is older is not exposed until it changes again."""
SECOND_US: Final = 1_000_000
WINDOW_US: Final = {"1m": 60 * SECOND_US, "5m": 300 * SECOND_US}

_BOUNDARIES: Final = [seconds * SECOND_US / DURATION_UNIT_US for seconds in DURATION_BOUNDARIES_S]
_LE: Final = [str(seconds) for seconds in DURATION_BOUNDARIES_S]

Labels = dict[str, str]


class PipelineCollector(Collector):
    """Shows a snapshot. `collect` runs in the thread of a scrape."""

    def __init__(self, snapshot: Callable[[], Snapshot], now_us: Callable[[], int]) -> None:
        self._snapshot = snapshot
        self._now_us = now_us

    def collect(self) -> Iterable[Family]:
        """All families that have a sample."""
        snapshot, now_us = self._snapshot(), self._now_us()
        families = _Families()
        watermark_us = max((held.series.watermark_us for held in snapshot.series), default=0)
        for series in _exposed(snapshot.series, now_us):
            _add_series(families, series, watermark_us)
        _add_producers(families, snapshot, now_us)
        _add_health(families, snapshot, now_us, watermark_us)
        return families.filled()


class _Families:
    def __init__(self) -> None:
        self._by_name = {m.name: Family(m.family, m.help, m.kind) for m in metrics.ALL}

    def add(self, metric: Metric, labels: Labels, value: float, **more: str) -> None:
        self._by_name[metric.name].samples.append(Sample(metric.name, {**labels, **more}, value))

    def add_histogram(self, metric: Metric, labels: Labels, buckets: Mapping[int, int], sum_us: int) -> None:
        """Nothing where nothing was measured."""
        if not buckets:
            return
        samples = self._by_name[metric.name].samples
        count = sum(buckets.values())
        name = metric.name + "_bucket"
        for le, below in zip(_LE, at_most(buckets, _BOUNDARIES), strict=True):
            samples.append(Sample(name, {**labels, "le": le}, below))
        samples.append(Sample(name, {**labels, "le": "+Inf"}, count))
        samples.append(Sample(metric.name + "_count", labels, count))
        samples.append(Sample(metric.name + "_sum", labels, sum_us / SECOND_US))

    def filled(self) -> list[Family]:
        return [family for family in self._by_name.values() if family.samples]


def _exposed(held: Iterable[Held], now_us: int) -> Iterable[Series]:
    """Groups that changed within a day. Each merge partition may have an overflow group of a view:
    they have the same labels and are shown as one.
    """
    overflow: dict[str, Series] = {}
    for series, updated_us in held:
        if all(value == OVERFLOW for value in series.group.values()):
            found = overflow.get(series.view)
            if found is None:
                total = Aggregate()
                found = overflow[series.view] = Series(
                    view=series.view, group=series.group, version=0, total=total
                )
            found.total.add(series.total)
        elif now_us - updated_us <= IDLE_AFTER_US:
            yield series
    yield from overflow.values()


def _add_series(families: _Families, series: Series, watermark_us: int) -> None:
    view, total = metrics.VIEW_METRICS[series.view], series.total
    labels = {label_of(attribute): value for attribute, value in series.group.items()}
    families.add(view.calls, labels, total.count)
    for error_type, count in total.errors.items():
        families.add(view.errors, labels, count, error_type=error_type)
    families.add_histogram(view.duration, labels, total.duration_buckets, total.duration_sum_us)
    if series.view == "llm":
        _add_model(families, labels, total)
    elif series.view == "agent":
        _add_agent(families, labels, total)
    for name, summary in series.windows.items():
        length_us = WINDOW_US.get(name)
        # A group that has gone quiet keeps its last window: it is shown while it is of the last two.
        if length_us is not None and summary.start_us + 3 * length_us > watermark_us:
            _add_window(families, {"view": series.view, "window": name, **labels}, summary)


def _add_model(families: _Families, labels: Labels, total: Aggregate) -> None:
    families.add_histogram(metrics.TIME_TO_FIRST_TOKEN, labels, total.ttft_buckets, total.ttft_sum_us)
    tokens = {
        "input": total.input_tokens,
        "output": total.output_tokens,
        "cache_read": total.cache_read_tokens,
        "cache_write": total.cache_write_5m_tokens + total.cache_write_1h_tokens,
        "reasoning": total.reasoning_tokens,
        "unspecified": total.unspecified_tokens,
    }
    for kind, count in tokens.items():
        families.add(metrics.TOKEN_USAGE, labels, count, gen_ai_token_type=kind)
    families.add(metrics.COST, labels, total.cost_nanousd / NANO)
    families.add(metrics.UNPRICED_CALLS, labels, total.flags.get("unpriced", 0))


def _add_agent(families: _Families, labels: Labels, total: Aggregate) -> None:
    families.add(metrics.AGENT_COST, labels, total.cost_nanousd / NANO)
    for kind, count in {"span": total.count, **total.kinds}.items():
        families.add(metrics.AGENT_EVENTS, labels, count, kind=kind)
    for flag, count in total.flags.items():
        families.add(metrics.FLAGGED_EVENTS, labels, count, flag=flag)


def _add_window(families: _Families, labels: Labels, window: WindowSummary) -> None:
    families.add(metrics.WINDOW_OPERATIONS, labels, window.count)
    families.add(metrics.WINDOW_COST, labels, window.cost_nanousd / NANO)
    if window.count:
        families.add(metrics.WINDOW_ERROR_RATIO, labels, window.errors / window.count)
    for quantile, value_us in (("0.5", window.p50_us), ("0.95", window.p95_us), ("0.99", window.p99_us)):
        if value_us is not None:
            families.add(metrics.WINDOW_DURATION, labels, value_us / SECOND_US, quantile=quantile)


def _add_producers(families: _Families, snapshot: Snapshot, now_us: int) -> None:
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
            families.add(metric, {"project": project, "service": name, label: value}, count)
    for metric, by_service in ((metrics.EVENTS_MISSING, missing), (metrics.EVENTS_UNREPORTED, unreported)):
        for (project, name), count in by_service.items():
            families.add(metric, {"project": project, "service": name}, count)


def _add_health(families: _Families, snapshot: Snapshot, now_us: int, watermark_us: int) -> None:
    if snapshot.series:
        newest_us = max(held.updated_us for held in snapshot.series)
        families.add(metrics.SERIES_AGE, {}, max(0, now_us - newest_us) / SECOND_US)
    if watermark_us:
        families.add(metrics.WATERMARK_DELAY, {}, max(0, now_us - watermark_us) / SECOND_US)
    letters: Counter[str] = Counter()
    for (reason, day), count in snapshot.dead_letters.items():
        if day >= now_us // DAY_US - LETTERS_KEPT_DAYS:
            letters[reason] += count
    for reason, count in letters.items():
        families.add(metrics.DEAD_LETTERS, {"reason": reason}, count)
