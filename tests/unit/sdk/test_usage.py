"""Token usage of every shape comes out in one rule: input includes the cache, output the reasoning."""

from types import SimpleNamespace

import pytest

from agentgauge.errors import ValidationError
from agentgauge.usage import tokens_of


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"inputTokens": 10, "outputTokens": 3}, {"input_tokens": 10, "output_tokens": 3}),
        ({"input_tokens": 10, "output_tokens": 3}, {"input_tokens": 10, "output_tokens": 3}),
        ({"promptTokens": 10, "completionTokens": 3}, {"input_tokens": 10, "output_tokens": 3}),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 30,
                "total_tokens": 130,
                "prompt_tokens_details": {"cached_tokens": 60},
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            {"input_tokens": 100, "output_tokens": 30, "cache_read_tokens": 60, "reasoning_tokens": 20},
        ),
        (
            SimpleNamespace(
                input_tokens=100,
                output_tokens=30,
                input_tokens_details=SimpleNamespace(cached_tokens=60),
                output_tokens_details=SimpleNamespace(reasoning_tokens=20),
            ),
            {"input_tokens": 100, "output_tokens": 30, "cache_read_tokens": 60, "reasoning_tokens": 20},
        ),
        (
            {
                "input_tokens": 5,
                "output_tokens": 7,
                "cache_read_input_tokens": 1000,
                "cache_creation_input_tokens": 300,
                "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
            },
            {
                "input_tokens": 1305,
                "output_tokens": 7,
                "cache_read_tokens": 1000,
                "cache_write_5m_tokens": 100,
                "cache_write_1h_tokens": 200,
            },
        ),
        (
            SimpleNamespace(
                input_tokens=5, output_tokens=7, cache_read_input_tokens=None, cache_creation_input_tokens=300
            ),
            {"input_tokens": 305, "output_tokens": 7, "cache_write_5m_tokens": 300},
        ),
        (
            {"input_tokens": 50, "cache_read_tokens": 20, "cache_write_1h_tokens": 10, "output_tokens": 1},
            {"input_tokens": 50, "cache_read_tokens": 20, "cache_write_1h_tokens": 10, "output_tokens": 1},
        ),
        ({"total_tokens": 150}, {"unspecified_tokens": 150}),
        ({"tokens": 150}, {"unspecified_tokens": 150}),
        ({"input_tokens": 0, "output_tokens": 0}, {}),
        ({"input_tokens": 3.0}, {"input_tokens": 3}),
    ],
)
def test_shapes(usage: object, expected: dict[str, int]) -> None:
    assert tokens_of(usage) == expected


@pytest.mark.parametrize(
    "usage",
    [{"input_tokens": -1}, {"output_tokens": "7"}, {"input_tokens": True}, {"input_tokens": 1.5}, {}, 7],
)
def test_what_is_no_count_is_invalid(usage: object) -> None:
    with pytest.raises(ValidationError, match="usage"):
        tokens_of(usage)
