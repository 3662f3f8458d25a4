"""Applications that gunicorn and uvicorn run in a test: they tell what they received, and stream when asked to.

Copied into the test's folder and imported there by the server alone, so nothing of this project is imported here.
"""

import asyncio
import hashlib
import json
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

TOGETHER = 8
"""So many requests for `/together` are answered once all of them are there; each has a connection of its own."""
_gate = threading.Barrier(TOGETHER)
_events: "asyncio.Queue[bytes]" = asyncio.Queue()


def tell(path: str, body: bytes, host: str | None) -> bytes:
    """Say what was received."""
    told = {"path": path, "host": host, "body": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    return json.dumps(told).encode()


def wsgi(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """`/stream` answers in chunks, `/together` waits for its like; all other paths tell what they received."""
    path = environ["PATH_INFO"]
    if path == "/stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return _pieces()
    if path == "/together":
        _gate.wait(20)
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length) if length else environ["wsgi.input"].read()
    told = tell(path, body, environ.get("HTTP_HOST"))
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(told)))])
    return [told]


def _pieces() -> Iterator[bytes]:
    for number in range(1000):
        yield b"%d\n" % number * 100


async def asgi(scope: Message, receive: Receive, send: Send) -> None:
    """WebSockets are echoed, events streamed as they are posted, and other requests told what was received."""
    if scope["type"] == "websocket":
        await _echo_messages(receive, send)
    elif scope["type"] == "http" and scope["path"] == "/echo":
        await _echo_body(receive, send)
    elif scope["type"] == "http" and scope["path"] == "/events" and scope["method"] == "GET":
        await _stream_events(receive, send)
    elif scope["type"] == "http":
        body = b"".join([part async for part in _parts(receive)])
        if scope["path"] == "/events":
            await _events.put(body)
        host = dict(scope["headers"]).get(b"host", b"").decode()
        await _begin(send, b"application/json")
        await send({"type": "http.response.body", "body": tell(scope["path"], body, host)})


async def _parts(receive: Receive) -> Any:
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        yield message.get("body", b"")


async def _begin(send: Send, kind: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})


async def _echo_body(receive: Receive, send: Send) -> None:
    await _begin(send, b"application/octet-stream")
    async for part in _parts(receive):
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _stream_events(receive: Receive, send: Send) -> None:
    await receive()
    await _begin(send, b"text/event-stream")
    gone = asyncio.ensure_future(receive())
    while not gone.done():
        event = asyncio.ensure_future(_events.get())
        await asyncio.wait({event, gone}, return_when=asyncio.FIRST_COMPLETED)
        if event.done():
            data = b"data: %b\n\n" % event.result()
            await send({"type": "http.response.body", "body": data, "more_body": True})
    print("the client left", flush=True)


async def _echo_messages(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") == "close, please":
            await send({"type": "websocket.close", "code": 4001, "reason": "as you like"})
        else:
            await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})
