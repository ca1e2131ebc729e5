"""The one histogram: exponential buckets of base 2^(1/32), merged by addition.

Bucket i holds the values v with `2^(i/32) < v / unit <= 2^((i+1)/32)`, as an OpenTelemetry
exponential histogram of scale 5 does, so any quantile is within 1.1 % of the exact one.
The unit is 10 ms for durations and 1 for tokens: then every boundary that the GenAI conventions
advise (0.01, 0.02, ... 81.92 s; 1, 4, 16 ... tokens) is a boundary of ours, and a Prometheus `le`
bucket is an exact sum. A histogram is a `dict[int, int]`, bucket -> count; zero has its own bucket.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Final

SCALE: Final = 32
DURATION_UNIT_US: Final = 10_000
ZERO: Final = -10_000
"""The bucket of zero: below that of any other value we can meet."""

_FRACTIONS: Final = [2.0 ** (i / SCALE) for i in range(SCALE + 1)]

DURATION_BOUNDARIES_S: Final = (
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
)  # fmt: skip
"""Advised by the GenAI conventions for `gen_ai.client.operation.duration`."""


def bucket(value: int, unit: int = DURATION_UNIT_US) -> int:
    """The bucket of a value at or above 0, in the unit's own parts (microseconds, tokens)."""
    if value <= 0:
        return ZERO
    index = math.ceil(math.log2(value / unit) * SCALE) - 1
    # log2 may be off by one ulp at a boundary: compare with the boundary itself.
    if value > upper(index) * unit:
        return index + 1
    if value <= upper(index - 1) * unit:
        return index - 1
    return index


def upper(index: int) -> float:
    """The largest value of a bucket, in units."""
    if index == ZERO:
        return 0.0
    power, fraction = divmod(index + 1, SCALE)
    return math.ldexp(_FRACTIONS[fraction], power)


def quantile(buckets: Mapping[int, int], q: float, unit: int = DURATION_UNIT_US) -> float | None:
    """The q-quantile (nearest rank: the ceil(q*n)-th smallest) in the unit's parts; None if empty.

    A bucket stands for the geometric middle of its bounds, hence the 1.1 %.
    """
    total = sum(buckets.values())
    if not total:
        return None
    rank = max(1, math.ceil(round(q * total, 6)))  # 0.07 * 100 is 7.000000000000001
    for index in sorted(buckets):
        rank -= buckets[index]
        if rank <= 0:
            if index == ZERO:
                return 0.0
            return math.sqrt(upper(index - 1) * upper(index)) * unit
    raise AssertionError("the counts of a histogram add up to its total")


def at_most(buckets: Mapping[int, int], boundaries: Iterable[float]) -> list[int]:
    """How many values are at or below each boundary (in units, ascending): exact where a bucket ends there."""
    result, seen = [], 0
    pending = sorted(buckets)
    position = 0
    for boundary in boundaries:
        while position < len(pending) and upper(pending[position]) <= boundary * (1 + 1e-12):
            seen += buckets[pending[position]]
            position += 1
        result.append(seen)
    return result


def add(into: dict[int, int], other: Mapping[int, int]) -> None:
    """Merge a histogram into another, in place."""
    if not into:
        into.update(other)
        return
    for index, count in other.items():
        into[index] = into.get(index, 0) + count
