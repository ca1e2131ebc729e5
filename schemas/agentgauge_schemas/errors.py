"""What can be wrong with a record, split by what its reader can still do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentgauge_schemas.block import BlockHeaders


class SchemaError(ValueError):
    """Root of all errors of this package."""


class ForeignRecord(SchemaError):
    """The record was not written by an agentgauge producer: nobody's account can be charged."""


class UnknownVersion(SchemaError):
    """The record is ours, but of a later version or another format. `.headers` are readable."""

    def __init__(self, headers: BlockHeaders) -> None:
        super().__init__(f"block of schema {headers.schema}, format {headers.format!r}: not known here")
        self.headers = headers
