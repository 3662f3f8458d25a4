"""A backend of the demo: `python -m tidegate.demo.backend NAME`. Prints its port, then answers until stdin ends."""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Page(BaseHTTPRequestHandler):
    """Answers with the backend's name, how long it took, and the request as it arrived."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together
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


def main() -> None:
    """Serve until whoever started us is gone."""
    Page.name = sys.argv[1]
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
