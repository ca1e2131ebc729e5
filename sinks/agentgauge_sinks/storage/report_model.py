"""What a report says: plain structures, for `--json`, tables and pages alike."""

import msgspec


class Timed(msgspec.Struct, kw_only=True):
    """Calls and how long they took; quantiles are within 1.1 %, null where nothing was timed."""

    calls: int
    errors: int
    p50_s: float | None
    p95_s: float | None


class Used(Timed, kw_only=True):
    """And what they used. `input_tokens` includes the cache's, `output_tokens` includes reasoning."""

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    unspecified_tokens: int
    cost_usd: str
    """Exact, in decimal. It lacks the `unpriced` calls."""
    unpriced: int


class ModelRow(Used, kw_only=True):
    """Calls of one model."""

    provider: str
    model: str


class AgentRow(Used, kw_only=True):
    """All spans of one agent: calls of models and tools, and functions."""

    agent: str


class ToolRow(Timed, kw_only=True):
    """Calls of one tool."""

    tool: str


class FunctionRow(Timed, kw_only=True):
    """Runs of one kind of traced function."""

    function: str


class Totals(msgspec.Struct, kw_only=True):
    """Over everything."""

    events: int
    llm_calls: int
    llm_errors: int
    tool_calls: int
    tool_errors: int
    input_tokens: int
    output_tokens: int
    cost_usd: str
    """Of all events, model calls or not; exact, in decimal."""
    unpriced: int


class Deliveries(msgspec.Struct, kw_only=True):
    """What became of the events of all producers."""

    accepted: int = 0
    duplicates: int = 0
    rejected: int = 0
    missing: int = 0
    lost: int = 0
    dropped: dict[str, int] = {}
    """By the producers themselves, by reason."""


class Loss(msgspec.Struct, kw_only=True):
    """A producer of which something did not arrive."""

    producer: str
    project: str
    service: str
    host: str
    missing: int
    """Known to exist, not arrived yet."""
    lost: int
    """Given up."""
    dropped: dict[str, int]
    ended_silently: bool
    about: int
    """How many events waited in it when it was last heard of, if it ended so."""


class Report(msgspec.Struct, kw_only=True):
    """All of it. Rows are sorted by calls, then by name."""

    totals: Totals
    models: list[ModelRow]
    agents: list[AgentRow]
    tools: list[ToolRow]
    functions: list[FunctionRow]
    users: int
    unpriced_models: dict[str, int]
    flags: dict[str, int]
    """Events with something odd about them, by what it is."""
    overflow: list[str]
    """Views with more groups than the limit: what exceeds it is in their group `__overflow__`."""
    producers: Deliveries
    losses: list[Loss]
    dead_letters: dict[str, int]
    """By reason."""
