"""The page at `/`, its stream, and what its buttons ask for: a small server of its own, reached through tidegate.

A button stops a process, so who presses it must be a person at this machine who looks at this page. The client must be
on loopback, which tidegate tells in X-Forwarded-For. `Host` must be no stranger's name, or one that points here (DNS
rebinding) would do, and `Origin` must be the page's own, or any site's form could press.
"""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from ipaddress import ip_address
from typing import Any

from tidegate.demo.stage import MOST_RATE, Stage

HTML = files("tidegate.demo").joinpath("page.html").read_bytes()
MOST_BODY = 100
EVENTS = "/demo/events"
LOAD = "/demo/load"
BUTTON = re.compile(r"/demo/backends/(?P<name>[a-z]+)/(?P<act>start|stop)")
HERE = re.compile(r"(localhost|[0-9.]+|\[[0-9a-f:.]+\])(:\d+)?", re.IGNORECASE)


def hash_of(element: str) -> str:
    """What a Content-Security-Policy calls the page's one `script` or `style`."""
    [inside] = re.findall(rf"<{element}>(.*?)</{element}>".encode(), HTML, re.DOTALL)
    return f"'sha256-{b64encode(sha256(inside).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; script-src {hash_of('script')}; style-src {hash_of('style')}; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
FIELDS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Refused(Exception):
    """A request that is not served: the status, and why in words."""

    def __init__(self, status: HTTPStatus, words: str, **fields: str) -> None:
        super().__init__(words)
        self.status = status
        self.fields = {name.replace("_", "-"): value for name, value in fields.items()}


class Page(BaseHTTPRequestHandler):
    """Answers one connection of tidegate's."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    stage: Stage

    def serve(self) -> None:
        """Answer any method, or say why not."""
        try:
            body = self.read_body()
            check_host(self.headers.get("Host", ""))
            path = self.path.partition("?")[0]
            button = BUTTON.fullmatch(path)
            if path == "/":
                self.allow("GET", "HEAD")
                self.answer(HTTPStatus.OK, HTML, "text/html; charset=utf-8")
            elif path == EVENTS:
                self.allow("GET")
                self.stream()
            elif path == LOAD:
                self.allow("PUT")
                self.act(lambda: self.stage.set_load(read_rate(body)))
            elif button and button["name"] in self.stage.backends:
                self.allow("POST")
                press = self.stage.stop if button["act"] == "stop" else self.stage.start
                self.act(lambda: press(button["name"]))
            else:
                raise Refused(HTTPStatus.NOT_FOUND, "the demo has no such page")
        except Refused as refused:
            self.answer(refused.status, f"{refused}\n".encode(), "text/plain; charset=utf-8", refused.fields)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = serve

    def read_body(self) -> bytes:
        """Read a body, which is small; what is not read of another ends the connection."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal() or int(length) > MOST_BODY:
            self.close_connection = True
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body here has a length, of at most {MOST_BODY}")
        return self.rfile.read(int(length))

    def allow(self, *methods: str) -> None:
        """Refuse other methods."""
        if self.command not in methods:
            raise Refused(
                HTTPStatus.METHOD_NOT_ALLOWED, f"this takes {' and '.join(methods)}", Allow=", ".join(methods)
            )

    def act(self, act: Callable[[], None]) -> None:
        """Do what a button says, if it was pressed on our page by someone at this machine."""
        check_presser(self.headers.get("Host", ""), self.headers.get_all("Origin", []), self.headers)
        act()
        self.answer(HTTPStatus.NO_CONTENT)

    def answer(
        self, status: HTTPStatus, content: bytes = b"", kind: str = "", fields: Mapping[str, str] | None = None
    ) -> None:
        """Send a whole answer."""
        self.send_response(status)
        length = {} if status == HTTPStatus.NO_CONTENT else {"Content-Type": kind, "Content-Length": str(len(content))}
        for name, value in (FIELDS | length | dict(fields or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def stream(self) -> None:
        """Send what the page shows as it changes: server-sent events, until one of us leaves."""
        self.close_connection = True
        self.send_response(HTTPStatus.OK)
        for name, value in (FIELDS | {"Content-Type": "text/event-stream", "Connection": "close"}).items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError), closing(self.stage.watch()) as states:  # an error: the page was closed
            self.send_event(b"retry: 1000\n\n")
            for state in states:
                self.send_event(b"data: " + json.dumps(state).encode() + b"\n\n")
            self.send_event(b"event: end\ndata:\n\n")

    def send_event(self, event: bytes) -> None:
        """Send at once."""
        self.wfile.write(event)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the demo's terminal shows what to try."""


def check_host(host: str) -> None:
    """`Host` is an address or localhost, which no stranger's name server points elsewhere; a port may be forwarded."""
    if not HERE.fullmatch(host):
        raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "the demo's page is at localhost or an address")


def check_presser(host: str, origins: list[str], fields: Any) -> None:
    """A button was pressed on the page itself, and by somebody at this machine."""
    if origins != [f"http://{host}"]:
        raise Refused(HTTPStatus.FORBIDDEN, "buttons are pressed on the demo's own page")
    client = fields.get("X-Forwarded-For", "")
    with suppress(ValueError):
        if ip_address(client).is_loopback:
            return
    raise Refused(HTTPStatus.FORBIDDEN, "buttons are pressed on the machine where the demo runs")


def read_rate(body: bytes) -> int:
    """The rate that visitors shall have."""
    if not body.isdigit() or int(body) > MOST_RATE:
        raise Refused(HTTPStatus.BAD_REQUEST, f"the load is a number from 0 to {MOST_RATE}")
    return int(body)


def make_server(stage: Stage) -> ThreadingHTTPServer:
    """A server for the page on a port of the kernel's choice; its streams end with the stage."""
    handler = type("StagePage", (Page,), {"stage": stage})
    return ThreadingHTTPServer(("127.0.0.1", 0), handler)
