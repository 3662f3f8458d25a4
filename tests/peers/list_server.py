"""A registry: a real HTTP server that answers with a list of endpoints, with an ETag or as the test says."""

import hashlib
import json
import ssl
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.peers.waiting import until


class ListServer:
    """Answers with what it was told. `answered` counts answers by status."""

    def __init__(self, *endpoints: Any, certificate: Path | None = None) -> None:
        self.certificate = certificate
        self.answered: Counter[int] = Counter()
        self.status = 200
        self.body = b""
        self.chunked = False
        self.hangs = threading.Event()
        self.demanded: tuple[str, str] | None = None
        self.tell(*endpoints)
        self.start(0)

    def start(self, port: int) -> None:
        """Serve, at first at a port of the kernel's choice."""
        answered_by = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                answered_by.answer(self)

            def log_message(self, *words: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        """Where the list is."""
        return f"http://127.0.0.1:{self.port}/endpoints"

    def tell(self, *endpoints: Any) -> None:
        """Answer with these endpoints from now on."""
        self.body = json.dumps(list(endpoints)).encode()

    def demand(self, name: str, value: str) -> None:
        """Answer 401 to whoever asks without this field."""
        self.demanded = name, value

    def wait_for(self, status: int, more: int = 1) -> None:
        """Wait until it has answered so many more times with a status."""
        before = self.answered[status]
        until(lambda: self.answered[status] >= before + more)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        body, status = self.body, self.status
        etag = f'"{hashlib.sha256(body).hexdigest()}"'
        if self.hangs.is_set():
            return
        if self.demanded is not None and request.headers.get(self.demanded[0]) != self.demanded[1]:
            status, body = 401, b""
        if status == 200 and request.headers.get("If-None-Match") == etag:
            status, body = 304, b""
        self.answered[status] += 1
        request.send_response(status)
        request.send_header("ETag", etag)
        if self.chunked and status == 200:
            request.send_header("Transfer-Encoding", "chunked")
            request.end_headers()
            request.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        else:
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)

    def end(self) -> None:
        """Serve no more; a connection is refused then."""
        self.server.shutdown()
        self.server.server_close()
