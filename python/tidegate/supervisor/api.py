"""The HTTP API, reached through the engine's admin listener alone: a Unix socket in the state folder."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from tidegate.supervisor.commands import accept

MOST_HEAD = 65_536
PATIENCE_S = 75.0

Status = Callable[[], Awaitable[dict[str, Any]]]


async def serve_api(listening: socket.socket, status: Status) -> None:
    """Serve the API for ever."""
    talks: set[asyncio.Task[None]] = set()
    async for sock in accept(listening):
        talk = asyncio.create_task(_talk(sock, status))
        talks.add(talk)
        talk.add_done_callback(talks.discard)


async def _talk(sock: socket.socket, status: Status) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=sock, limit=MOST_HEAD)
    try:
        while True:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
            line = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
            method, path = line[0], line[1].partition("?")[0] if len(line) == 3 else ""
            has_body = any(
                field.lower().startswith((b"content-length:", b"transfer-encoding:")) for field in head.split(b"\r\n")
            )
            if path != "/api/v1/status":
                code, body = "404 Not Found", {"error": "no such resource; there is /api/v1/status"}
            elif method not in ("GET", "HEAD"):
                code, body = "405 Method Not Allowed", {"error": "status is read with GET"}
            else:
                code, body = "200 OK", await status()
            content = json.dumps(body).encode() + b"\n"
            fields = [f"HTTP/1.1 {code}", "Content-Type: application/json", f"Content-Length: {len(content)}"]
            fields += ["Cache-Control: no-store"]
            fields += ["Allow: GET, HEAD"] if code.startswith("405") else []
            fields += ["Connection: close"] if has_body else []  # nothing here reads a body
            writer.write("\r\n".join([*fields, "", ""]).encode() + (b"" if method == "HEAD" else content))
            await writer.drain()
            if has_body:
                return
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
