"""What can be wrong with a record, split by what its reader can still do with it.

SchemaError
├── ForeignRecord     nobody's account can be charged
└── UnknownVersion    (in `block`) ours, but of a later version: its headers are readable
"""


class SchemaError(ValueError):
    """Root of all errors of this package."""


class ForeignRecord(SchemaError):
    """The record was not written by an agentgauge producer: nobody's account can be charged."""
