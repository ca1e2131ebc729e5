"""One record of each type, with every field of version 1 set: what its golden files hold.

Frozen with them: a field that a later version adds is not added here.
"""

from typing import get_args

import msgspec

from agentgauge_schemas.account import Account, ServiceTotals
from agentgauge_schemas.aggregate import Aggregate, PackedAggregate
from agentgauge_schemas.block import Block, BlockHeaders, Resource
from agentgauge_schemas.dlq import DeadLetter
from agentgauge_schemas.event import CheckpointFile, Event, Kind
from agentgauge_schemas.partials import Entry, PaneAggregate, Partials, Progress
from agentgauge_schemas.results import Alert, Series, Window, WindowSummary
from agentgauge_schemas.rules import PriceOverride, PriceTable

TIME_US = 1_770_890_400_123_456

FULL_EVENT = Event(
    kind="span",
    time_us=TIME_US,
    duration_us=1_234_567,
    operation="chat",
    event_type="llm_call",
    agent="planner",
    user="user-1",
    provider="anthropic",
    model="claude-opus-4-6",
    response_model="claude-opus-4-6-20260205",
    tool="Bash",
    status="error",
    error_type="tool_error",
    time_to_first_token_us=345_678,
    input_tokens=26_010,
    output_tokens=209,
    cache_read_tokens=17_842,
    cache_write_5m_tokens=8_000,
    cache_write_1h_tokens=165,
    reasoning_tokens=42,
    unspecified_tokens=7,
    cost_nanousd=93_000_001,
    cost_source="provider",
    service_tier="standard",
    rollup=True,
    sampled=False,
    truncated=True,
    name="chat claude-opus-4-6",
    trace_id="trace-1",
    span_id="span-2",
    parent_id="span-1",
    session_id="session-1",
    conversation_id="conversation-1",
    client_id="client-1",
    level="WARNING",
    error_message="it broke",
    traceback="Traceback (most recent call last): ...",
    input={"question": "why?", "n": 1},
    output=["because", None, 1.5, True],
    metadata={"nested": {"key": [1, 2]}, "unicode": "é\u2028"},
    tags=["a", "b"],
    response_id="msg_1",
    finish_reasons=["end_turn"],
    model_parameters={"temperature": 0.7},
    prompt_name="review",
    prompt_version=3,
    tool_call_id="toolu_1",
    role="user",
    content="Hello!",
    value=0.95,
    data_type="numeric",
    scale_min=0.0,
    scale_max=1.0,
    target_kind="trace",
    target_id="trace-1",
    comment="good",
    description="before the change",
    files=[CheckpointFile("main.py", sha256="ab" * 32, size=12, content="print()")],
    agent_status="busy",
    moderation_stage="input",
    moderation_flagged=True,
    moderation_categories=["violence"],
    moderation_action="block",
    memory_operation="read",
    memory_hit=True,
    memory_items=3,
    memory_bytes=512,
    retrieval_query="capital of France",
    retrieval_documents=4,
    retrieval_relevance=0.5,
    severity="high",
    passed=False,
    git_sha="abc123",
    git_branch="main",
    git_repository="https://example.com/repository",
    file_operation="edit",
    file_path="src/main.py",
    file_before="old",
    file_after="new",
    command="make test",
    exit_code=2,
    stdout="out",
    stderr="err",
)

RESOURCE = Resource(
    project="shop",
    environment="production",
    service="checkout",
    release="1.2.3",
    host="host-1",
    agent="planner",
    user="user-0",
    session_id="session-0",
    conversation_id="conversation-0",
    client_id="client-0",
    sdk="agentgauge/0.1.0",
    process=4711,
)

BLOCK = Block(
    resource=RESOURCE,
    dropped={"queue_full": 5, "invalid": 1},
    queue_depth=17,
    final=True,
    repeatable=True,
    events=[FULL_EVENT, *(Event(kind=kind, time_us=TIME_US) for kind in get_args(Kind))],
)

HEADERS = BlockHeaders(
    producer="host-1:4711:abcd", partition=3, seq=1_000, count=len(BLOCK.events), flush_ms=500, backfill=True
)

AGGREGATE = Aggregate(
    count=11,
    errors={"tool_error": 2, "timeout": 1},
    flags={"unpriced": 3},
    duration_sum_us=12_345_678,
    duration_max_us=9_999_999,
    duration_buckets={-10_000: 1, -32: 4, 0: 3, 223: 3},
    ttft_sum_us=3_000_000,
    ttft_buckets={120: 2},
    input_tokens=1_000,
    output_tokens=200,
    cache_read_tokens=600,
    cache_write_5m_tokens=50,
    cache_write_1h_tokens=25,
    reasoning_tokens=20,
    unspecified_tokens=9,
    cost_nanousd=29_364_991_050,
    reported_cost_nanousd=5,
    input_cost_nanousd=1_000_000_000_001,
    cache_read_cost_nanousd=2_000_000_000_002,
    cache_write_cost_nanousd=3_000_000_000_003,
    output_cost_nanousd=4_000_000_000_004,
    last_us=TIME_US,
    kinds={"log": 2},
)

PACKED = PackedAggregate(**msgspec.structs.asdict(AGGREGATE))

PARTIALS = Partials(
    schema=1,
    sources=8,
    entries=[
        Entry(3, 1, 42, True, [PaneAggregate('["tool","shop","planner","Bash"]', 177_089_040, PACKED)]),
        Entry(3, 1, 43, False, []),
    ],
    progress=[Progress(3, 1, 44, TIME_US, False), Progress(4, 0, 0, 0, True)],
)

_GROUP = {"project": "shop", "agent": "planner", "tool": "Bash"}

SERIES = Series(
    view="tool",
    group=_GROUP,
    version=1 << 44 | 42,
    total=AGGREGATE,
    windows={"1m": WindowSummary(TIME_US, 11, 3, 29_364_991_050, 1_209, 1.5, 2.5, 3.5)},
    watermark_us=TIME_US,
)

WINDOW = Window(
    view="tool",
    group=_GROUP,
    size_s=60,
    start_us=1_770_890_400_000_000,
    part=42,
    version=43,
    revision=2,
    total=AGGREGATE,
)

ACCOUNT = Account(
    producer="host-1:4711:abcd",
    project="shop",
    service="checkout",
    host="host-1",
    partition=3,
    next=2_000,
    open=[(10, 20), (1_500, 1_501)],
    accepted=1_900,
    duplicates=4,
    rejected=2,
    lost=60,
    dropped={"queue_full": 5},
    queue_depth=17,
    final=True,
    repeatable=True,
    first_seen_us=TIME_US - 60_000_000,
    last_seen_us=TIME_US,
    version=44,
)

SERVICE_TOTALS = ServiceTotals(
    project="shop",
    service="checkout",
    partition=3,
    producers=2,
    folded=["host-1:1:aa", "host-2:2:bb"],
    accepted=100,
    duplicates=1,
    rejected=2,
    lost=3,
    dropped={"queue_full": 4},
    version=45,
)

ALERT = Alert(
    labels={"alertname": "high_error_rate", "agent": "planner"},
    annotations={"summary": "7 % of the calls failed"},
    starts_at="2026-02-12T10:00:00.000Z",
    ends_at="2026-02-12T10:05:00.000Z",
    generator_url="http://localhost:3002/alerts/1",
    fingerprint="0123456789abcdef",
    state="resolved",
    rule="high_error_rate",
    value=0.07,
    threshold=0.05,
    window_s=300,
    version=46,
)

PRICE_TABLE = PriceTable(
    overrides=[
        PriceOverride(
            model="own-*",
            provider="own",
            service_tier="batch",
            input=1_000_000_000,
            output=2_000_000_000,
            cache_read=100_000_000,
            cache_write_5m=1_250_000_000,
            cache_write_1h=2_000_000_000,
        )
    ],
    service_tiers={"batch": 0.5},
    comment="contract of 2026",
)

DEAD_LETTER = DeadLetter(
    value=b'{"events":[{"kind":"span"',
    kind="block",
    reason="undecodable",
    error="Input data was truncated",
    topic="agentgauge.events",
    partition=3,
    offset=47,
    time_us=TIME_US,
    producer="host-1:4711:abcd",
    seq=1_000,
    count=16,
    origin_headers=(("schema", b"1"), ("producer", b"host-1:4711:abcd")),
    size=5_000_000,
    sha256="cd" * 32,
)
