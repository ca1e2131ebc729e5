"""What an event says about an exception."""

from types import TracebackType
from typing import Final

from agentgauge.capture import UNSERIALIZABLE

MAX_FRAMES: Final = 50


def describe_failure(error: BaseException) -> dict[str, str]:
    """Type, message and traceback, still to be captured. Never raises an Exception."""
    try:
        message = str(error)
    except Exception:  # the host's own code
        message = UNSERIALIZABLE
    return {
        "error_type": type(error).__qualname__,
        "error_message": message,
        "traceback": _frames(error.__traceback__),
    }


def _frames(traceback: TracebackType | None) -> str:
    """Where it went, without source lines: those would have to be read from disk."""
    lines: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        lines.append(f'File "{code.co_filename}", line {traceback.tb_lineno}, in {code.co_name}')
        traceback = traceback.tb_next
    return "\n".join(lines[-MAX_FRAMES:])
