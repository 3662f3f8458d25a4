"""The HTTP API, reached through the engine's admin listener alone: a Unix socket in the state folder.

What is read with GET is open to whoever reaches the listener; what changes something is in `changes.py`. Answers are
JSON, and of the moment: none is kept by anybody (`no-store`), so none has an ETag. docs/api.md has each of them.
"""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from tidegate.supervisor.changes import ROOT, Changes
from tidegate.supervisor.commands import accept
from tidegate.supervisor.resources import NotTold

MOST_HEAD = 65_536
PATIENCE_S = 75.0

Resources = Mapping[str, Callable[[], Awaitable[dict[str, Any]]]]
"""What is told at `/api/v1/NAME`, by name."""


async def serve_api(listening: socket.socket, resources: Resources, changes: Changes) -> None:
    """Serve the API for ever."""
    talks: set[asyncio.Task[None]] = set()
    async for sock in accept(listening):
        talk = asyncio.create_task(_talk(sock, resources, changes))
        talks.add(talk)
        talk.add_done_callback(talks.discard)


async def _talk(sock: socket.socket, resources: Resources, changes: Changes) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=sock, limit=MOST_HEAD)
    try:
        while True:
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
            line, *lines = head.decode("latin-1").split("\r\n")
            fields = [(name.lower(), value.strip()) for name, _, value in (each.partition(":") for each in lines)]
            method, _, target = line.rpartition(" ")[0].partition(" ")
            path = target.partition("?")[0]
            if method == "POST" and changes.takes(path):
                code, body = await changes.answer(path, fields, reader)
            else:
                code, body = await answer(method, path, fields, resources)
            content = (await asyncio.to_thread(json.dumps, body)).encode() + b"\n"
            # Where nothing is read of a body, it would be taken for the next request.
            ends = any(name in ("content-length", "transfer-encoding") for name, _ in fields)
            told = [f"HTTP/1.1 {code}", "Content-Type: application/json", f"Content-Length: {len(content)}"]
            told += ["Cache-Control: no-store"]
            told += ["Allow: GET, HEAD"] if code.startswith("405") else []
            told += ["WWW-Authenticate: Bearer"] if code.startswith("401") else []
            told += ["Retry-After: 1"] if code.startswith("503") else []
            told += ["Connection: close"] if ends else []
            writer.write("\r\n".join([*told, "", ""]).encode() + (b"" if method == "HEAD" else content))
            await asyncio.wait_for(writer.drain(), PATIENCE_S)
            if ends:
                return
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def answer(
    method: str, path: str, fields: list[tuple[str, str]], resources: Resources
) -> tuple[str, dict[str, Any]]:
    """Answer one request: the status with its phrase, and the body."""
    if path in (ROOT, f"{ROOT}/"):
        tell = _index(resources)
    elif path.startswith(f"{ROOT}/") and (found := resources.get(path.removeprefix(f"{ROOT}/"))) is not None:
        tell = found
    else:
        there = ", ".join(f"{ROOT}/{name}" for name in resources)
        return "404 Not Found", {"error": f"no such resource; there is {there}"}
    if method not in ("GET", "HEAD"):
        return "405 Method Not Allowed", {
            "error": "this is read with GET; changes are asked for with POST at /api/v1/rollouts and "
            "/api/v1/upstreams/NAME/endpoints"
        }
    if not takes_json([value for name, value in fields if name == "accept"]):
        return "406 Not Acceptable", {"error": "answers are application/json"}
    try:
        return "200 OK", await tell()
    except NotTold as error:
        return "503 Service Unavailable", {"error": str(error)}


def _index(resources: Resources) -> Callable[[], Awaitable[dict[str, Any]]]:
    async def tell() -> dict[str, Any]:
        return {"resources": [f"{ROOT}/{name}" for name in resources]}

    return tell


def takes_json(accept: list[str]) -> bool:
    """Say whether an `Accept` field (RFC 9110, section 12.5.1), if there is one, has room for JSON.

    The most specific range that fits decides; `q=0` means that it is not wanted.
    """
    ranges = [each for value in accept for each in value.lower().split(",") if each.strip()]
    if not ranges:
        return True
    weights: dict[str, float] = {}
    for each in ranges:
        kind, *parameters = [part.strip() for part in each.split(";")]
        weight = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        with suppress(ValueError):
            weights[kind] = max(weights.get(kind, 0.0), float(weight))
    fits = (kind for kind in ("application/json", "application/*", "*/*") if kind in weights)
    return weights.get(next(fits, ""), 0.0) > 0
