"""What is a valid record of `.events`, and what is kept of one that is not."""

from agentgauge_processors.validation.decode import (
    BlockFault,
    DecodedBlock,
    EventFault,
    decode,
    decode_each,
)

__all__ = ["BlockFault", "DecodedBlock", "EventFault", "decode", "decode_each"]
