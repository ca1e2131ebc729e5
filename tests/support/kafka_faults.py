"""A TCP proxy between clients and a broker that can swallow what the broker answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Self


class AcknowledgementEater:
    """Listens on `port` of 127.0.0.1 and forwards to `target`. While it eats, what clients send arrives, but
    nothing comes back, and after a moment the connection ends: the client cannot know what happened.
    """

    def __init__(self, port: int, target: tuple[str, int], *, hold_s: float = 0.3) -> None:
        self._port = port
        self._target = target
        self._hold_s = hold_s
        self._eating = False
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.eaten = 0
        """Answers that never arrived."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await asyncio.sleep(0)  # who was accepted just now gets its task
        while connections := list(self._connections):
            for connection in connections:
                connection.cancel()
            await asyncio.gather(*connections, return_exceptions=True)

    async def eat(self, seconds: float) -> None:
        """Swallow all answers for a while."""
        self._eating = True
        await asyncio.sleep(seconds)
        self._eating = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._forward(reader, writer)
        finally:
            self._connections.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with _closing(writer):
            try:
                broker_reader, broker_writer = await asyncio.open_connection(*self._target)
            except OSError:
                return
            async with _closing(broker_writer):
                copies = (
                    asyncio.ensure_future(_copy(reader, broker_writer)),
                    asyncio.ensure_future(self._copy_answers(broker_reader, writer)),
                )
                try:
                    await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for each in copies:
                        each.cancel()
                    await asyncio.gather(*copies, return_exceptions=True)

    async def _copy_answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            if self._eating:
                self.eaten += 1
                await asyncio.sleep(self._hold_s)
                return
            writer.write(data)
            await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


@asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
