"""What this SDK calls itself in the blocks that it sends."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final


def _version() -> str:
    try:
        return version("agentgauge")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0"


__version__: Final = _version()
SDK: Final = f"agentgauge-python {__version__}"
