"""The tables of the storage, for SQLite and PostgreSQL alike; `docs/storage.md` explains them.

Times are microseconds since the epoch, money is nano-dollars, tokens follow the event model. The
columns of `events` hold what counts, so sums over them equal the totals; `body` holds what was sent.
Text that an event does not have is "" in them (a null costs three times as much to write).
`migrations/` builds them step by step; a test compares both.
"""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, SmallInteger, Table, Text, text

metadata: Final = MetaData()

TOKENS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "unspecified_tokens",
)


def _tokens() -> list[Column[int]]:
    return [Column(name, BigInteger, nullable=False) for name in TOKENS]


def _sums() -> list[Column[int]]:
    """What calls of models add up to."""
    return [*_tokens(), Column("cost_nanousd", BigInteger, nullable=False)]


events: Final = Table(
    "events",
    metadata,
    Column("producer", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("time_us", BigInteger, nullable=False),
    Column("duration_us", BigInteger),
    Column("kind", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("release", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("conversation_id", Text, nullable=False),
    Column("trace_id", Text, nullable=False),
    Column("span_id", Text, nullable=False),
    Column("parent_id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("error_type", Text, nullable=False),
    Column("ttft_us", BigInteger),
    *_tokens(),
    Column("cost_nanousd", BigInteger),
    Column("cost_source", Text, nullable=False),
    Column("unpriced", SmallInteger, nullable=False),
    Column("body", Text, nullable=False),
)
Index("events_time", events.c.time_us)
Index(
    "events_trace",
    events.c.trace_id,
    sqlite_where=text("trace_id != ''"),
    postgresql_where=text("trace_id != ''"),
)

runs: Final = Table(
    "runs",
    metadata,
    Column("project", Text, primary_key=True),
    Column("trace_id", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("start_us", BigInteger, nullable=False),
    Column("end_us", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("llm_calls", BigInteger, nullable=False),
    Column("tool_calls", BigInteger, nullable=False),
    Column("unpriced", BigInteger, nullable=False),
    *_sums(),
)
Index("runs_end", runs.c.end_us)

windows: Final = Table(
    "windows",
    metadata,
    Column("key", Text, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("view", Text, nullable=False),
    Column("attributes", Text, nullable=False),
    Column("size_s", Integer, nullable=False),
    Column("start_us", BigInteger, nullable=False),
    Column("part", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    *_sums(),
    Column("record", Text, nullable=False),
)
Index("windows_start", windows.c.view, windows.c.size_s, windows.c.start_us)

series: Final = Table(
    "series",
    metadata,
    Column("key", Text, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("view", Text, nullable=False),
    Column("attributes", Text, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    *_sums(),
    Column("record", Text, nullable=False),
)

producers: Final = Table(
    "producers",
    metadata,
    Column("key", Text, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("project", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("folded", Boolean, nullable=False),
    Column("accepted", BigInteger, nullable=False),
    Column("duplicates", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("missing", BigInteger, nullable=False),
    Column("lost", BigInteger, nullable=False),
    Column("dropped", BigInteger, nullable=False),
    Column("last_seen_us", BigInteger, nullable=False),
    Column("record", Text, nullable=False),
)

dead_letters: Final = Table(
    "dead_letters",
    metadata,
    Column("partition", Integer, primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("time_us", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("producer", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
)

deliveries: Final = Table(
    "deliveries",
    metadata,
    Column("producer", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next", BigInteger, nullable=False),
    Column("open", Text, nullable=False),
    Column("repeatable", Boolean, nullable=False),
)

offsets: Final = Table(
    "offsets",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("next", BigInteger, nullable=False),
    Column("fingerprint_offset", BigInteger),
    Column("fingerprint_time_us", BigInteger),
    Column("fingerprint_crc", BigInteger),
    Column("expired", BigInteger, nullable=False),
)
