"""A backend of the demo: `python -m tidegate.demo.backend NAME [PORT]`. Prints its port, then answers until stdin ends.

SIGTERM ends it as a service manager would: it listens no more, and what it has begun gets its answer.
"""

import json
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer
from types import FrameType
from typing import Any


class Page(BaseHTTPRequestHandler):
    """Answers with the backend's name, how long it took, and the request as it arrived."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together
    disable_nagle_algorithm = True
    name = ""

    def answer(self) -> None:
        """Answer any method."""
        began = time.perf_counter()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        seen = {
            "backend": self.name,
            "request": self.requestline,
            "headers": dict(self.headers.items()),
            "body_bytes": len(body),
            "took_ms": round((time.perf_counter() - began) * 1000, 3),
        }
        text = (json.dumps(seen, indent=2) + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("X-Backend", self.name)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = answer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the demo's terminal shows what to try."""


class Server(ThreadingHTTPServer):
    """Serves each connection in a thread, and knows the open ones, so that it can end politely."""

    daemon_threads = False  # so that closing waits for them
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        self.open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Page)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection."""
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        self.open.discard(request)
        super().shutdown_request(request)

    def end(self) -> None:
        """Listen no more, answer what has come, and close."""
        self.shutdown()
        self.socket.close()
        for each in list(self.open):
            with suppress(OSError):  # whoever was there has left
                each.shutdown(socket.SHUT_RD)  # what has come can still be read, then it reads as ended
        self.server_close()


def main() -> None:
    """Serve until whoever started us is gone, or SIGTERM."""
    Page.name = sys.argv[1]
    server = Server(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    print(server.server_address[1], flush=True)
    threading.Thread(target=serve, args=(server,), daemon=True).start()
    signal.signal(signal.SIGTERM, leave)
    with suppress(SystemExit):
        sys.stdin.read()
    server.end()


def serve(server: BaseServer) -> None:
    """Accept; looks twenty times a second whether it shall end."""
    server.serve_forever(poll_interval=0.05)


def leave(number: int, frame: FrameType | None) -> None:
    """SIGTERM: end the wait for the end of stdin."""
    raise SystemExit


if __name__ == "__main__":
    main()
