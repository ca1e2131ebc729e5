"""Reads a session file of Claude Code, line by line, into events.

An item is a response or a tool call; its ordinal is its place by first appearance in its file, so it
stays the same while the file grows. A response is complete when the next one of the same thread
begins, a call when its result is there; whatever is open at the end is completed only by `end`, when
the file is known to be still. So a longer file yields the items of a shorter one, unchanged.
"""

from collections import Counter
from typing import Final, NamedTuple

import msgspec

from agentgauge_cli.importers.items import Response, ToolCall
from agentgauge_cli.importers.lines import Content, Line, Message, decode_line, decode_message, time_us
from agentgauge_schemas.event import Event

MAX_PLACES: Final = 20_000
"""Lines whose place in the chain is remembered: answers follow soon, so older ones are not needed."""
MESSAGES: Final = ("user", "assistant")
SYNTHETIC: Final = "<synthetic>"
"""The model of assistant lines that the program itself wrote, without any call."""


class Item(NamedTuple):
    """A complete item. `seq` is its ordinal in its file."""

    seq: int
    event: Event


class _Thread:
    """One line of conversation: the main one, or a subagent's."""

    def __init__(self) -> None:
        self.open: Response | None = None
        self.user_us: int | None = None
        self.prompt: tuple[str | None, object] = (None, None)
        """uuid and content of the latest user message that was no tool's result."""


class _Place(NamedTuple):
    """Where a line stands: its thread, and the nearest `user` line at or above it in its chain."""

    thread: _Thread
    user_us: int | None
    user_uuid: str | None


class SessionReader:
    """Feed it the lines of one file, in order, then call `end` once."""

    def __init__(self, *, content: bool = True) -> None:
        """`content`: carry texts, arguments and results, not only their sizes."""
        self.first_line: Line | None = None
        """The first message: what the file says of itself."""
        self.skipped: Counter[str] = Counter()
        """Lines that made no item and belong to none, by reason."""
        self._content = content
        self._next = 0
        self._main = _Thread()
        self._subagents: dict[str, _Thread] = {}
        self._places: dict[str, _Place] = {}
        self._seen: set[str] = set()
        self._responses: dict[str, Response] = {}
        self._calls: dict[str, ToolCall] = {}

    @property
    def open(self) -> list[int]:
        """The ordinals of the items that are not complete yet."""
        items: list[Response | ToolCall] = [*self._responses.values(), *self._calls.values()]
        return sorted(item.ordinal for item in items)

    def feed(self, raw: bytes) -> list[Item]:
        """The items that this line shows to be complete."""
        try:
            line = decode_line(raw)
            if line.uuid is not None and line.uuid in self._places:
                self.skipped["repeated"] += 1
                return []
            place = self._place(line)
            if line.type in MESSAGES:
                message, now = decode_message(line), _time(line)
                self.first_line = self.first_line or line
                if line.type == "user":
                    return self._user(line, message, now, place.thread)
                return self._assistant(line, message, now, place)
        except (msgspec.DecodeError, ValueError):
            self.skipped["unreadable"] += 1
            return []
        self.skipped["other"] += 1
        return []

    def end(self, *, still: bool) -> list[Item]:
        """What the end of the file completes: nothing, or everything if the file is still."""
        if not still:
            return []
        items = [Item(response.ordinal, response.event()) for response in self._responses.values()]
        items += [Item(call.ordinal, call.unfinished()) for call in self._calls.values()]
        self._responses.clear()
        self._calls.clear()
        return sorted(items, key=lambda item: item.seq)

    def _user(self, line: Line, message: Message, now: int, thread: _Thread) -> list[Item]:
        thread.user_us = now
        self._remember(line, _Place(thread, now, line.uuid))
        items, prompt = [], []
        for block in message.blocks:
            if block.type != "tool_result":
                prompt.append(block)
                continue
            call = self._calls.pop(block.tool_use_id or "", None)
            if call is None:
                self.skipped["unknown call"] += 1
                continue
            items.append(Item(call.ordinal, call.finished(block, now, content=self._content)))
        if self._content and prompt:
            thread.prompt = (line.uuid, _plain(prompt))
        return items

    def _assistant(self, line: Line, message: Message, now: int, place: _Place) -> list[Item]:
        response_id = message.id or line.request_id or line.uuid
        if response_id is None or message.model == SYNTHETIC:
            self.skipped["synthetic" if response_id else "unreadable"] += 1
            return []
        items: list[Item] = []
        response = self._responses.get(response_id)
        if response is None and response_id not in self._seen:
            thread = place.thread
            if (ended := thread.open) is not None:
                del self._responses[ended.id]
                items.append(Item(ended.ordinal, ended.event()))
            start_us = thread.user_us if place.user_us is None else place.user_us
            response = Response(self._ordinal(response_id), response_id, line, start_us)
            if place.user_uuid is not None and place.user_uuid == thread.prompt[0]:
                response.prompt = thread.prompt[1]
            thread.open = self._responses[response_id] = response
        new = response is not None and response.add(line, message, now, content=self._content)
        for block in message.blocks:
            if block.type == "tool_use" and block.id is not None and block.id not in self._seen:
                ordinal = self._ordinal(block.id)
                call = ToolCall(ordinal, block, line, now, response_id, content=self._content)
                self._calls[block.id] = call
                new = True
        if not new:
            self.skipped["repeated"] += 1
        return items

    def _ordinal(self, item_id: str) -> int:
        self._seen.add(item_id)
        ordinal, self._next = self._next, self._next + 1
        return ordinal

    def _place(self, line: Line) -> _Place:
        """Find a line's place from the line that it follows, and remember it."""
        above = self._places.get(line.parent_uuid or "")
        if line.agent_id:
            thread = self._subagents.setdefault(line.agent_id, _Thread())
        elif not line.is_sidechain:
            thread = self._main
        else:
            # Older files hold their subagents' lines too, without a name: each chain is a thread.
            thread = above.thread if above and above.thread is not self._main else _Thread()
        place = _Place(thread, above.user_us, above.user_uuid) if above else _Place(thread, None, None)
        self._remember(line, place)
        return place

    def _remember(self, line: Line, place: _Place) -> None:
        if line.uuid is None:
            return
        self._places[line.uuid] = place
        if len(self._places) > MAX_PLACES:
            del self._places[next(iter(self._places))]


def _time(line: Line) -> int:
    if line.timestamp is None:
        raise ValueError("a message without a time")
    return time_us(line.timestamp)


def _plain(blocks: list[Content]) -> object:
    """A prompt as text where it is one text, else its blocks; None where the text was removed."""
    texts = [block.text for block in blocks if block.text is not None]
    if len(texts) == len(blocks) == 1:
        return texts[0]
    return [{"type": block.type, "text": block.text or ""} for block in blocks] if texts else None
