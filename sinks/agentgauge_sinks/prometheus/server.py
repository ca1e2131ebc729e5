"""The HTTP server of /metrics, in threads of its own."""

import gzip
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from agentgauge_processors.engine.errors import StartupProblem
from agentgauge_sinks.prometheus.exposition import CONTENT_TYPE

PATH: Final = "/metrics"
_GZIP_LEVEL: Final = 1
"""Forty times smaller already; the default level takes eight times the CPU for little more."""


class MetricsServer:
    """Serves the page until `close`; 503 while there is none, so that Prometheus keeps what it had."""

    def __init__(self, page: Callable[[], str | None], host: str, port: int) -> None:
        """Begins to listen. `page` is called in other threads. Raises StartupProblem when it cannot."""

        class Handler(_Handler):
            source = staticmethod(page)

        try:
            self._server = _Server((host, port), Handler)
        except (OSError, OverflowError) as error:
            raise StartupProblem(
                f"{PATH} cannot listen on {host}:{port} ({error}): choose another --port"
            ) from None
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="agentgauge-metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening; scrapes in flight end on their own."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    source: Callable[[], str | None]
    timeout = 30.0
    """Seconds after which a client that says nothing is hung up on."""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != PATH:
            self._answer(HTTPStatus.NOT_FOUND, f"metrics are at {PATH}\n")
            return
        page = self.source()
        if page is None:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, "not all results have been read yet\n")
        else:
            self._answer(HTTPStatus.OK, page)

    def _answer(self, status: HTTPStatus, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", CONTENT_TYPE)
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, _GZIP_LEVEL)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Scrapes are no news."""
