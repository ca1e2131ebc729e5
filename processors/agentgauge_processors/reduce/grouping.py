"""From the events of a block to the groups that they count in.

Events are first put together by what decides their leaf group, so a block of one agent makes a
handful of sets however many events it has; each set is measured once, and views that need less
detail add the sets up. Users cut across all sets, so they are measured apart unless there is one.
"""

from collections.abc import Iterable
from functools import lru_cache

from agentgauge_processors.pricing import PriceBook
from agentgauge_processors.reduce.measure import measure
from agentgauge_schemas.aggregate import PackedAggregate
from agentgauge_schemas.block import Resource
from agentgauge_schemas.conventions import EXECUTE_TOOL, FUNCTION, LLM_OPERATIONS
from agentgauge_schemas.event import HotEvent, Kind
from agentgauge_schemas.group import group_key
from agentgauge_schemas.partials import PANE_S, PaneAggregate

PANE_US = PANE_S * 1_000_000

FUTURE_TOLERANCE_US = 1_000_000
"""Clocks of hosts differ a little: an event less than this ahead of the broker is not flagged."""

Leaf = tuple[int, Kind, str | None, str | None, str | None, str | None, str | None, str | None]
"""Pane, kind, operation, agent, provider, model, tool, event type."""


def group_events(
    events: Iterable[HotEvent | None], resource: Resource, prices: PriceBook, broker_us: int
) -> list[PaneAggregate]:
    """Aggregates of all built-in views, by group and pane. None among the events is skipped.

    Events from the future are moved to the broker's time, in place, and flagged.
    """
    valid = [event for event in events if event is not None]
    ahead = _clamp_to_broker(valid, broker_us)
    leaves: dict[Leaf, list[HotEvent]] = {}
    for event in valid:
        leaf = (
            event.time_us // PANE_US,
            event.kind,
            event.operation,
            event.agent,
            event.provider,
            event.model,
            event.tool,
            event.event_type,
        )
        found = leaves.get(leaf)
        if found is None:
            leaves[leaf] = [event]
        else:
            found.append(event)

    users = {event.user or resource.user for event in valid}
    only_user = next(iter(users)) if len(users) == 1 else None
    sums = _Sums()
    for leaf, members in leaves.items():
        aggregate = measure(members, prices, broker_us)
        if ahead:
            _flag(aggregate, members, ahead)
        sums.add(leaf_keys(resource, leaf[1:], only_user), leaf[0], aggregate)
    if only_user is None:
        for (pane, user), aggregate in _by_user(valid, resource, prices, broker_us, ahead):
            sums.add((group_key("user", (resource.project, user)),), pane, aggregate)
    return sums.result()


@lru_cache(maxsize=50_000)
def leaf_keys(resource: Resource, leaf: tuple[str | None, ...], user: str | None) -> tuple[str, ...]:
    """The keys of all groups that a leaf counts in; `user` where it is known to be the only one."""
    kind, operation, agent, provider, model, tool, event_type = leaf
    project, agent = resource.project, agent or resource.agent
    keys = []
    if kind == "span":
        if operation in LLM_OPERATIONS:
            values = (project, resource.environment, agent, operation or "", provider or "", model or "")
            keys.append(group_key("llm", values))
        elif operation == EXECUTE_TOOL:
            keys.append(group_key("tool", (project, agent, tool or "")))
        else:
            keys.append(group_key("function", (project, agent, event_type or operation or FUNCTION)))
    keys.append(group_key("agent", (project, resource.environment, agent, resource.release)))
    if user:
        keys.append(group_key("user", (project, user)))
    return tuple(keys)


def _by_user(
    events: list[HotEvent], resource: Resource, prices: PriceBook, broker_us: int, ahead: set[int]
) -> Iterable[tuple[tuple[int, str], PackedAggregate]]:
    sets: dict[tuple[int, str, Kind, str | None, str | None, str | None], list[HotEvent]] = {}
    for event in events:
        user = event.user or resource.user
        if user:
            pane = event.time_us // PANE_US
            key = (pane, user, event.kind, event.operation, event.provider, event.model)
            members = sets.get(key)
            if members is None:
                sets[key] = [event]
            else:
                members.append(event)
    totals: dict[tuple[int, str], PackedAggregate] = {}
    for (pane, user, *_), members in sets.items():
        aggregate = measure(members, prices, broker_us)
        if ahead:
            _flag(aggregate, members, ahead)
        found = totals.setdefault((pane, user), aggregate)
        if found is not aggregate:
            found.add(aggregate)
    return totals.items()


class _Sums:
    """Sets of events by group and pane. Groups of exactly the same sets (the agent and the only
    user of a block) share one sum, and a group of one set shares that set's.
    """

    def __init__(self) -> None:
        self._sets: list[PackedAggregate] = []
        self._members: dict[tuple[str, int], list[int]] = {}

    def add(self, keys: Iterable[str], pane: int, aggregate: PackedAggregate) -> None:
        number = len(self._sets)
        self._sets.append(aggregate)
        for key in keys:
            self._members.setdefault((key, pane), []).append(number)

    def result(self) -> list[PaneAggregate]:
        shared: dict[tuple[int, ...], PackedAggregate] = {}
        groups = []
        for (key, pane), numbers in self._members.items():
            if len(numbers) == 1:
                aggregate = self._sets[numbers[0]]
            else:
                members = tuple(numbers)
                found = shared.get(members)
                aggregate = shared[members] = found if found is not None else self._sum(numbers)
            groups.append(PaneAggregate(key, pane, aggregate))
        return groups

    def _sum(self, numbers: Iterable[int]) -> PackedAggregate:
        total = PackedAggregate()
        for number in numbers:
            total.add(self._sets[number])
        return total


def _clamp_to_broker(events: list[HotEvent], broker_us: int) -> set[int]:
    """Events count at the broker's time at the latest; returns the ids of those far ahead of it."""
    ahead: set[int] = set()
    if max([event.time_us for event in events], default=0) > broker_us:
        for event in events:
            if event.time_us > broker_us:
                if event.time_us > broker_us + FUTURE_TOLERANCE_US:
                    ahead.add(id(event))
                event.time_us = broker_us
    return ahead


def _flag(aggregate: PackedAggregate, members: list[HotEvent], ahead: set[int]) -> None:
    count = len([event for event in members if id(event) in ahead])
    if count:
        aggregate.flags["future"] = count
