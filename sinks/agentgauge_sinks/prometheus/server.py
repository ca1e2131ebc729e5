"""The HTTP server of /metrics, in threads of its own."""

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from agentgauge_processors.engine.errors import StartupProblem

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Scrapes are no news."""


class MetricsServer:
    """Serves a registry until `close`; 503 while `ready` says no, so that Prometheus keeps what it had."""

    def __init__(self, registry: CollectorRegistry, ready: Callable[[], bool], host: str, port: int) -> None:
        """Begins to listen. Raises StartupProblem when it cannot."""
        metrics = make_wsgi_app(registry)

        def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
            if ready():
                page: Iterable[bytes] = metrics(environ, start_response)
                return page
            start_response("503 Service Unavailable", [("Content-Type", "text/plain"), ("Retry-After", "1")])
            return [b"not all results have been read yet\n"]

        try:
            self._server = make_server(host, port, app, _Server, _Quiet)
        except OSError as error:
            raise StartupProblem(
                f"/metrics cannot listen on {host}:{port} ({error.strerror or error}): choose another --port"
            ) from None
        self.port: int = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="agentgauge-metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening; scrapes in flight end on their own."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
