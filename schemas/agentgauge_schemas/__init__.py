"""The wire format of agentgauge: every record of every topic, and what is computed on it.

Reading order: `event`, `block`, `account`, `aggregate`, `partials`, `results`, `topics`.
"""

from agentgauge_schemas.account import Account
from agentgauge_schemas.aggregate import Aggregate
from agentgauge_schemas.block import Block, BlockHeaders, Resource, UnknownVersion, decode_block, encode_block
from agentgauge_schemas.dlq import DeadLetter
from agentgauge_schemas.errors import ForeignRecord, SchemaError
from agentgauge_schemas.event import Event, HotEvent
from agentgauge_schemas.partials import Entry, PaneAggregate, Partials, Progress
from agentgauge_schemas.results import Alert, Series, Window, WindowSummary
from agentgauge_schemas.topics import Topic

__all__ = [
    "Account",
    "Aggregate",
    "Alert",
    "Block",
    "BlockHeaders",
    "DeadLetter",
    "Entry",
    "Event",
    "ForeignRecord",
    "HotEvent",
    "PaneAggregate",
    "Partials",
    "Progress",
    "Resource",
    "SchemaError",
    "Series",
    "Topic",
    "UnknownVersion",
    "Window",
    "WindowSummary",
    "decode_block",
    "encode_block",
]
