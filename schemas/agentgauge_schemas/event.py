"""The event: one flat typed record of something an agent did.

Times are integer microseconds since the epoch, in UTC. A span counts in the window of its end, so
`time_us` is the end and `duration_us` what lies before it. Tokens follow one rule whatever the
provider says: `input_tokens` *includes* cache reads and writes, `output_tokens` *includes*
reasoning. Money is integer nano-dollars. An event has no id of its own: it is (producer id,
sequence), and the block that carries it knows both.
"""

from typing import Annotated, Any, Final, Literal

import msgspec

Kind = Literal[
    "span",
    "start",
    "log",
    "message",
    "score",
    "feedback",
    "checkpoint",
    "status",
    "moderation",
    "memory",
    "security",
    "compliance",
    "git",
    "file_op",
    "terminal",
]
Level = Literal["DEBUG", "DEFAULT", "WARNING", "ERROR"]
Status = Literal["ok", "error"]
CostSource = Literal["provider", "user", "computed"]

MAX_TIME_US: Final = 253_402_300_800_000_000
"""The year 10000: what lies beyond is no time."""

TimeUs = Annotated[int, msgspec.Meta(ge=0, lt=MAX_TIME_US)]
Amount = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
"""A count, a size, a length of time in microseconds: exact in JSON readers that use doubles."""

MAX_EVENT_BYTES: Final = 256 * 1024
"""Encoded; the SDK truncates to this, reduce rejects what is larger."""


class CheckpointFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file of a checkpoint."""

    path: str
    sha256: str | None = None
    size: int | None = None
    content: str | None = None


class HotEvent(msgspec.Struct, omit_defaults=True):
    """The fields that decide counts, sums and groups: what reduce decodes and validates.

    An event is valid exactly when these decode. `Event` has all the rest.
    """

    kind: Kind
    time_us: TimeUs
    duration_us: Amount | None = None
    operation: str | None = None
    event_type: str | None = None
    agent: str | None = None
    user: str | None = None
    provider: str | None = None
    model: str | None = None
    response_model: str | None = None
    tool: str | None = None
    status: Status = "ok"
    error_type: str | None = None
    time_to_first_token_us: Amount | None = None
    input_tokens: Amount = 0
    output_tokens: Amount = 0
    cache_read_tokens: Amount = 0
    cache_write_5m_tokens: Amount = 0
    cache_write_1h_tokens: Amount = 0
    reasoning_tokens: Amount = 0
    unspecified_tokens: Amount = 0
    cost_nanousd: Amount | None = None
    cost_source: CostSource | None = None
    service_tier: str | None = None
    rollup: bool = False
    sampled: bool = True
    truncated: bool = False


class Event(HotEvent, omit_defaults=True):
    """Every field of an event, for the SDK, for readers and for the JSON Schema."""

    # What it is and where it stands in a trace.
    name: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    parent_id: str | None = None
    session_id: str | None = None
    conversation_id: str | None = None
    client_id: str | None = None
    level: Level | None = None
    error_message: str | None = None
    traceback: str | None = None
    input: Any = None
    output: Any = None
    metadata: dict[str, Any] = {}
    tags: list[str] = []

    # A call of a model.
    response_id: str | None = None
    finish_reasons: list[str] = []
    model_parameters: dict[str, Any] = {}
    prompt_name: str | None = None
    prompt_version: int | None = None
    tool_call_id: str | None = None

    # message
    role: str | None = None
    content: Any = None

    # score and feedback: `name` says of what.
    value: float | bool | str | None = None
    data_type: Literal["numeric", "boolean", "categorical"] | None = None
    scale_min: float | None = None
    scale_max: float | None = None
    target_kind: Literal["trace", "span", "conversation", "session", "interaction"] | None = None
    target_id: str | None = None
    comment: str | None = None

    # checkpoint
    description: str | None = None
    files: list[CheckpointFile] = []

    # status of an agent
    agent_status: Literal["active", "idle", "busy", "error"] | None = None

    # moderation
    moderation_stage: str | None = None
    moderation_flagged: bool | None = None
    moderation_categories: list[str] = []
    moderation_action: str | None = None

    # memory
    memory_operation: str | None = None
    memory_hit: bool | None = None
    memory_items: int | None = None
    memory_bytes: int | None = None

    # retrieval
    retrieval_query: str | None = None
    retrieval_documents: int | None = None
    retrieval_relevance: float | None = None

    # security and compliance: `name` is the event or the policy.
    severity: str | None = None
    passed: bool | None = None

    # git
    git_sha: str | None = None
    git_branch: str | None = None
    git_repository: str | None = None

    # file_op
    file_operation: str | None = None
    file_path: str | None = None
    file_before: str | None = None
    file_after: str | None = None

    # terminal
    command: str | None = None
    exit_code: int | None = None
    stdout: str | None = None
    stderr: str | None = None
