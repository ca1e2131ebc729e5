"""What a score may be."""

import sys
from typing import Final, Literal, TypeAlias

from agentgauge.errors import ValidationError

MAX_TARGET_LENGTH: Final = 128
MAX_NUMBER: Final = sys.float_info.max

DataType: TypeAlias = Literal["numeric", "boolean", "categorical"]
TargetKind: TypeAlias = Literal["trace", "span", "conversation", "session", "interaction"]
ScoreValue: TypeAlias = float | bool | str


def typed_score(value: ScoreValue, data_type: DataType | None) -> tuple[ScoreValue, DataType]:
    """A value and its type: the one that is given, else that of the value (1 is a number).

    Raises ValidationError when the two do not agree, and for a number that is not finite.
    """
    actual: DataType
    if isinstance(value, str):
        actual = "categorical"
    elif isinstance(value, (int, float)) and -MAX_NUMBER <= value <= MAX_NUMBER:
        actual = "boolean" if isinstance(value, bool) else "numeric"
    else:
        raise ValidationError(f"score: {type(value).__name__} is no text and no finite number")
    if data_type is None or data_type == actual:
        return value, actual
    if data_type == "boolean" and value in (0, 1):
        return bool(value), "boolean"
    if data_type == "numeric" and isinstance(value, bool):
        return int(value), "numeric"
    raise ValidationError(f"score: {value!r} is not {data_type}")


def check_target(target: str) -> str:
    """What a score is about. Raises ValidationError."""
    if not isinstance(target, str) or not 0 < len(target) <= MAX_TARGET_LENGTH:
        raise ValidationError(f"score: a target is text of 1 to {MAX_TARGET_LENGTH} characters")
    return target
