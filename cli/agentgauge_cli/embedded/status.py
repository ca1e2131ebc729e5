"""The status page: what `agentgauge report` prints, as one page that refreshes itself."""

import socket
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

Render = Callable[[], Awaitable[str]]
"""Makes the page; may block on the storage."""
Health = Callable[[], Mapping[str, str]]
"""What does not work just now: part -> why. Empty when all is well."""


class StatusServer:
    """Serves `/` and `/healthz` on a listening socket."""

    def __init__(self, listener: socket.socket, render: Render, health: Health) -> None:
        self._listener = listener
        self._render = render
        self._health = health
        application = web.Application()
        application.add_routes([web.get("/", self._page), web.get("/healthz", self._healthz)])
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.5)

    async def start(self) -> None:
        """Answer from now on."""
        await self._runner.setup()
        await web.SockSite(self._runner, self._listener).start()

    async def stop(self) -> None:
        """Close the listener and every connection; idempotent."""
        await self._runner.cleanup()

    async def _page(self, _: web.Request) -> web.Response:
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": _POLICY}
        return web.Response(text=await self._render(), content_type="text/html", headers=headers)

    async def _healthz(self, _: web.Request) -> web.Response:
        problems = dict(self._health())
        return web.json_response(
            {"status": "failing" if problems else "ok", "problems": problems}, status=503 if problems else 200
        )


_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
