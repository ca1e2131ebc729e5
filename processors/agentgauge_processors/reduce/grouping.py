"""From the events of a block to the groups that they count in.

Events are first put together by what decides their leaf group, so a block of one agent makes a
handful of sets however many events it has; each set is measured once, and views that need less
detail add the sets up. Users cut across all sets, so they are measured apart unless there is one.
"""

from collections.abc import Iterable
from functools import lru_cache

from agentgauge_processors.pricing import PriceBook
from agentgauge_processors.reduce.measure import measure
from agentgauge_schemas.aggregate import Aggregate
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
        try:
            leaves[leaf].append(event)
        except KeyError:
            leaves[leaf] = [event]

    groups: dict[tuple[str, int], Aggregate] = {}
    users = {event.user or resource.user for event in valid}
    only_user = next(iter(users)) if len(users) == 1 else None
    for leaf, members in leaves.items():
        aggregate = measure(members, prices, broker_us)
        if ahead:
            _flag(aggregate, members, ahead)
        for key in leaf_keys(resource, leaf[1:], only_user):
            _add(groups, key, leaf[0], aggregate)
    if only_user is None:
        for (pane, user), aggregate in _by_user(valid, resource, prices, broker_us):
            _add(groups, group_key("user", (resource.project, user)), pane, aggregate)
    return [PaneAggregate(key, pane, aggregate) for (key, pane), aggregate in groups.items()]


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
    events: list[HotEvent], resource: Resource, prices: PriceBook, broker_us: int
) -> Iterable[tuple[tuple[int, str], Aggregate]]:
    sets: dict[tuple[int, str, str, str | None], list[HotEvent]] = {}
    for event in events:
        user = event.user or resource.user
        if user:
            key = (event.time_us // PANE_US, user, event.kind, event.operation)
            try:
                sets[key].append(event)
            except KeyError:
                sets[key] = [event]
    for (pane, user, _, _), members in sets.items():
        yield (pane, user), measure(members, prices, broker_us)


def _add(groups: dict[tuple[str, int], Aggregate], key: str, pane: int, aggregate: Aggregate) -> None:
    found = groups.get((key, pane))
    if found is None:
        # The first set is shared by the groups that it counts in until another one joins it there.
        groups[key, pane] = aggregate
        return
    joined = Aggregate()
    joined.add(found)
    joined.add(aggregate)
    groups[key, pane] = joined


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


def _flag(aggregate: Aggregate, members: list[HotEvent], ahead: set[int]) -> None:
    count = len([event for event in members if id(event) in ahead])
    if count:
        aggregate.flags["future"] = count
