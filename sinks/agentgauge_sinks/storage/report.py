"""The report: all that the pipeline has counted, in one deterministic structure.

It is made of the newest totals and accounts in the storage, so it is exact; and nothing in it
depends on when it is asked for, except whether a producer has gone silent since.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec.structs import asdict
from sqlalchemy import ColumnElement, Connection, Engine, func, not_, select

from agentgauge_schemas.account import Account, ServiceTotals
from agentgauge_schemas.aggregate import Aggregate
from agentgauge_schemas.group import OVERFLOW
from agentgauge_schemas.money import format_usd
from agentgauge_schemas.results import Series
from agentgauge_sinks.storage.database import open_engine, reading
from agentgauge_sinks.storage.report_model import (
    AgentRow,
    Deliveries,
    FunctionRow,
    Loss,
    ModelRow,
    Report,
    Timed,
    ToolRow,
    Totals,
    Used,
)
from agentgauge_sinks.storage.schema import check
from agentgauge_sinks.storage.tables import dead_letters, producers, series

SECOND_US: Final = 1_000_000

_decode_series = msgspec.json.Decoder(Series).decode
_decode_account = msgspec.json.Decoder(Account).decode
_decode_service = msgspec.json.Decoder(ServiceTotals).decode


def build_report(storage: Engine | str, now_us: int) -> Report:
    """The report of a storage, by its URL or engine. Raises StartupProblem when there is none."""
    if isinstance(storage, Engine):
        return _build(storage, now_us)
    engine = open_engine(storage, must_exist=True)
    try:
        return _build(engine, now_us)
    finally:
        engine.dispose()


def _build(engine: Engine, now_us: int) -> Report:
    with reading(engine) as connection:
        check(connection)
        models = _sums(connection, "llm", "provider", "model")
        agents = _sums(connection, "agent", "agent")
        tools = _sums(connection, "tool", "tool")
        functions = _sums(connection, "function", "event_type")
        users = _count_users(connection)
        overflow = _overflowing(connection)
        accounts, services = _accounts(connection)
        letters = _letters(connection)
    everything = _merged(agents.values())
    return Report(
        totals=_totals(everything, _merged(models.values()), _merged(tools.values())),
        models=[
            ModelRow(provider=provider, model=model, **asdict(_used(total)))
            for (provider, model), total in _ordered(models)
        ],
        agents=[AgentRow(agent=agent, **asdict(_used(total))) for (agent,), total in _ordered(agents)],
        tools=[ToolRow(tool=tool, **asdict(_timed(total))) for (tool,), total in _ordered(tools)],
        functions=[
            FunctionRow(function=name, **asdict(_timed(total))) for (name,), total in _ordered(functions)
        ],
        users=users,
        unpriced_models=_unpriced(models),
        flags=_sorted(everything.flags),
        overflow=overflow,
        producers=_deliveries(accounts, services),
        losses=_losses(accounts, now_us),
        dead_letters=letters,
    )


Groups = dict[tuple[str, ...], Aggregate]


def _sums(connection: Connection, view: str, *attributes: str) -> Groups:
    """The totals of a view by some of its attributes, over all the others."""
    sums: Groups = {}
    for record in connection.execute(select(series.c.record).where(series.c.view == view)).scalars():
        found = _decode_series(record)
        key = tuple(found.group[attribute] for attribute in attributes)
        sums.setdefault(key, Aggregate()).add(found.total)
    return sums


def _merged(totals: Iterable[Aggregate]) -> Aggregate:
    result = Aggregate()
    for total in totals:
        result.add(total)
    return result


def _ordered(groups: Groups) -> list[tuple[tuple[str, ...], Aggregate]]:
    return sorted(groups.items(), key=lambda group: (-group[1].count, group[0]))


def _timed(total: Aggregate) -> Timed:
    return Timed(
        calls=total.count,
        errors=total.error_count,
        p50_s=_seconds(total.quantile_us(0.50)),
        p95_s=_seconds(total.quantile_us(0.95)),
    )


def _used(total: Aggregate) -> Used:
    return Used(
        **asdict(_timed(total)),
        input_tokens=total.input_tokens,
        output_tokens=total.output_tokens,
        cache_read_tokens=total.cache_read_tokens,
        cache_write_tokens=total.cache_write_5m_tokens + total.cache_write_1h_tokens,
        reasoning_tokens=total.reasoning_tokens,
        unspecified_tokens=total.unspecified_tokens,
        cost_usd=format_usd(total.cost_nanousd),
        unpriced=total.flags.get("unpriced", 0),
    )


def _seconds(value_us: float | None) -> float | None:
    return None if value_us is None else round(value_us / SECOND_US, 6)


def _totals(everything: Aggregate, models: Aggregate, tools: Aggregate) -> Totals:
    return Totals(
        events=everything.count + sum(everything.kinds.values()),
        llm_calls=models.count,
        llm_errors=models.error_count,
        tool_calls=tools.count,
        tool_errors=tools.error_count,
        input_tokens=everything.input_tokens,
        output_tokens=everything.output_tokens,
        cost_usd=format_usd(everything.cost_nanousd),
        unpriced=everything.flags.get("unpriced", 0),
    )


def _unpriced(models: Groups) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for (_, model), total in models.items():
        if "unpriced" in total.flags:
            counts[model] += total.flags["unpriced"]
    return _sorted(counts)


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _is_overflow() -> ColumnElement[bool]:
    return series.c.attributes.contains(f'"{OVERFLOW}"', autoescape=True)


def _count_users(connection: Connection) -> int:
    query = select(func.count()).where(series.c.view == "user", not_(_is_overflow()))
    return connection.execute(query).scalar_one()


def _overflowing(connection: Connection) -> list[str]:
    query = select(series.c.view).where(_is_overflow()).distinct().order_by(series.c.view)
    return list(connection.execute(query).scalars())


def _accounts(connection: Connection) -> tuple[list[Account], list[ServiceTotals]]:
    rows = connection.execute(select(producers.c.folded, producers.c.record).order_by(producers.c.key)).all()
    accounts = [_decode_account(record) for folded, record in rows if not folded]
    services = [_decode_service(record) for folded, record in rows if folded]
    return accounts, services


def _letters(connection: Connection) -> dict[str, int]:
    count = func.count().label("letters")
    query = (
        select(dead_letters.c.reason, count).group_by(dead_letters.c.reason).order_by(dead_letters.c.reason)
    )
    return {row.reason: row.letters for row in connection.execute(query)}


def _deliveries(accounts: Iterable[Account], services: Iterable[ServiceTotals]) -> Deliveries:
    books: list[Account | ServiceTotals] = [*accounts, *services]
    dropped: Counter[str] = Counter()
    for each in books:
        dropped.update(each.dropped)
    return Deliveries(
        accepted=sum(each.accepted for each in books),
        duplicates=sum(each.duplicates for each in books),
        rejected=sum(each.rejected for each in books),
        missing=sum(account.missing for account in accounts),
        lost=sum(each.lost for each in books),
        dropped=_sorted(dropped),
    )


def _losses(accounts: Iterable[Account], now_us: int) -> list[Loss]:
    return [
        Loss(
            producer=account.producer,
            project=account.project,
            service=account.service,
            host=account.host,
            missing=account.missing,
            lost=account.lost,
            dropped=_sorted(account.dropped),
            ended_silently=account.ended_silently(now_us),
            about=account.queue_depth if account.ended_silently(now_us) else 0,
        )
        for account in accounts
        if account.missing or account.lost or any(account.dropped.values()) or account.ended_silently(now_us)
    ]
