"""What may be in an event, drawn so that the interesting cases meet each other often."""

from hypothesis import strategies as st

from agentgauge_schemas.event import CostSource, HotEvent, Kind, Status

T0 = 1_795_000_000_000_000
"""Events lie around it."""

MODELS: tuple[tuple[str | None, str | None], ...] = (
    ("anthropic", "claude-haiku-4-5-20251001"),
    ("anthropic", "claude-opus-4-6"),
    ("google", "gemini-2.5-pro"),
    ("perplexity", "sonar"),
    ("openai", "gpt-4o-mini"),
    ("nobody", "no-such-model"),
    (None, None),
)
"""Prices: plain ones, by request size, by request, no whole number of nano-dollars, and none."""

_KINDS: tuple[Kind, ...] = ("span", "span", "span", "log", "score")
_STATUS: tuple[Status, ...] = ("ok", "ok", "error")
_SOURCES: tuple[CostSource | None, ...] = (None, "provider", "user")

tokens = st.sampled_from((0, 0, 0, 1, 7, 999, 200_000, 200_001, 1_000_003))
durations = st.one_of(st.none(), st.sampled_from((0, 1, 9_999, 10_000, 10_001)), st.integers(0, 1 << 53))


@st.composite
def hot_events(
    draw: st.DrawFn,
    *,
    models: tuple[tuple[str | None, str | None], ...] = MODELS,
    ages_s: tuple[float, ...] = (0, 0, 0, 4, 10, 25),
) -> HotEvent:
    """A valid event; its token counts may contradict each other. Ages are before `T0`."""
    provider, model = draw(st.sampled_from(models))
    return HotEvent(
        kind=draw(st.sampled_from(_KINDS)),
        time_us=T0 - int(draw(st.sampled_from(ages_s)) * 1_000_000),
        duration_us=draw(durations),
        operation=draw(st.sampled_from(("chat", "chat", "embeddings", "execute_tool", "invoke_agent", None))),
        event_type=draw(st.sampled_from((None, "step"))),
        agent=draw(st.sampled_from((None, "planner", "coder"))),
        user=draw(st.sampled_from((None, None, "ann", "bob"))),
        provider=provider,
        model=model,
        response_model=draw(st.sampled_from((None, None, None, "claude-opus-4-6", "no-such-model"))),
        tool=draw(st.sampled_from((None, "Bash", "Read"))),
        status=draw(st.sampled_from(_STATUS)),
        error_type=draw(st.sampled_from((None, "timeout", "refused"))),
        time_to_first_token_us=draw(durations),
        input_tokens=draw(tokens),
        output_tokens=draw(tokens),
        cache_read_tokens=draw(tokens),
        cache_write_5m_tokens=draw(st.sampled_from((0, 0, 0, 5))),
        cache_write_1h_tokens=draw(st.sampled_from((0, 0, 0, 3))),
        reasoning_tokens=draw(st.sampled_from((0, 0, 0, 6))),
        unspecified_tokens=draw(st.sampled_from((0, 0, 0, 0, 150))),
        cost_nanousd=draw(st.sampled_from((None, None, None, 0, 5, 10**9))),
        cost_source=draw(st.sampled_from(_SOURCES)),
        service_tier=draw(st.sampled_from((None, None, None, "batch", "priority"))),
        rollup=draw(st.sampled_from((False, False, False, True))),
        sampled=draw(st.sampled_from((True, True, False))),
        truncated=draw(st.sampled_from((False, False, True))),
    )
