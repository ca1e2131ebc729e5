"""What this SDK calls itself in the blocks that it sends."""

from typing import Final

# As in pyproject.toml (a test compares them): asking the installed metadata would double the import time.
__version__: Final = "0.1.0"

SDK: Final = f"agentgauge-python {__version__}"
