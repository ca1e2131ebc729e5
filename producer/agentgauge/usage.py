"""Token usage, as providers and frameworks report it, in our one rule.

`input_tokens` includes cache reads and writes, `output_tokens` includes reasoning. OpenAI counts so
already. Anthropic does not: its `input_tokens` are what was neither read from nor written to the
cache. Its names of the cache classes are how a usage is known to be Anthropic's.
"""

from collections.abc import Mapping
from typing import Final

from agentgauge.errors import ValidationError

TOKEN_FIELDS: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "reasoning_tokens",
    "unspecified_tokens",
)
"""The event's."""

_INPUT: Final = ("input_tokens", "inputTokens", "prompt_tokens", "promptTokens")
_OUTPUT: Final = ("output_tokens", "outputTokens", "completion_tokens", "completionTokens")
_CACHE_READ: Final = ("cache_read_tokens", "cacheReadTokens", "cached_tokens", "cachedTokens")
_CACHE_WRITE_5M: Final = (
    "cache_write_5m_tokens",
    "cacheWrite5mTokens",
    "cache_write_tokens",
    "cacheWriteTokens",
)
_CACHE_WRITE_1H: Final = ("cache_write_1h_tokens", "cacheWrite1hTokens")
_REASONING: Final = ("reasoning_tokens", "reasoningTokens")
_TOTAL: Final = ("unspecified_tokens", "total_tokens", "totalTokens", "tokens")
_INPUT_DETAILS: Final = (
    "prompt_tokens_details",
    "input_tokens_details",
    "promptTokensDetails",
    "inputTokensDetails",
)
_OUTPUT_DETAILS: Final = (
    "completion_tokens_details",
    "output_tokens_details",
    "completionTokensDetails",
    "outputTokensDetails",
)


def tokens_of(usage: object) -> dict[str, int]:
    """The token fields of an event, zeros left out, from a mapping or an object with attributes.

    A total without a split becomes `unspecified_tokens`. Raises ValidationError for a number that
    is no count, and for a usage in which nothing is known.
    """
    input_details = _find(usage, _INPUT_DETAILS)
    output_details = _find(usage, _OUTPUT_DETAILS)
    fields = {
        "input_tokens": _count(usage, _INPUT),
        "output_tokens": _count(usage, _OUTPUT),
        "cache_read_tokens": _count(usage, _CACHE_READ) or _count(input_details, _CACHE_READ),
        "cache_write_5m_tokens": _count(usage, _CACHE_WRITE_5M),
        "cache_write_1h_tokens": _count(usage, _CACHE_WRITE_1H),
        "reasoning_tokens": _count(usage, _REASONING) or _count(output_details, _REASONING),
    }
    _add_anthropic_cache(usage, fields)
    known = {name: count for name, count in fields.items() if count is not None}
    if not known:
        total = _count(usage, _TOTAL)
        if total is None:
            raise ValidationError(f"usage: no token counts in {type(usage).__name__}")
        known = {"unspecified_tokens": total}
    return {name: count for name, count in known.items() if count}


def _add_anthropic_cache(usage: object, fields: dict[str, int | None]) -> None:
    read = _count(usage, ("cache_read_input_tokens",))
    written = _count(usage, ("cache_creation_input_tokens",))
    if read is None and written is None:
        return
    split = _find(usage, ("cache_creation",))
    one_hour = _count(split, ("ephemeral_1h_input_tokens",)) or 0
    five_minutes = _count(split, ("ephemeral_5m_input_tokens",)) or 0
    # Older answers have the sum only; what the split does not name was written for 5 minutes.
    written = max(written or 0, one_hour + five_minutes)
    fields["cache_read_tokens"] = read or 0
    fields["cache_write_1h_tokens"] = one_hour
    fields["cache_write_5m_tokens"] = written - one_hour
    fields["input_tokens"] = (fields["input_tokens"] or 0) + (read or 0) + written


def _find(source: object, names: tuple[str, ...]) -> object:
    if source is None:
        return None
    for name in names:
        found = source.get(name) if isinstance(source, Mapping) else getattr(source, name, None)
        if found is not None:
            return found
    return None


def _count(source: object, names: tuple[str, ...]) -> int | None:
    found = _find(source, names)
    if found is None:
        return None
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        raise ValidationError(f"usage: {names[0]} is {found!r}, not a count of tokens")
    return found
