"""One question over HTTP: a connection, a GET, the whole answer. Nothing is kept, followed, or left to threads."""

import asyncio
import http.client
import io
import os
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import SplitResult, urlsplit

from tidegate.discovery.dns import LookupFailed, Resolver
from tidegate.discovery.provider import NotFound

MOST_BYTES = 4 * 2**20
"""No answer is longer."""
MOST_HEAD = 2**16


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a GET: its status, its `ETag`, and its body."""

    status: int
    reason: str
    etag: str | None
    body: bytes


class _Canned:
    """Bytes that have come already, as the socket that the standard library reads an answer from."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self.content)


async def fetch(
    url: str,
    etag: str | None,
    *,
    resolver: Resolver,
    timeout_s: float,
    fields: Mapping[str, str] = MappingProxyType({}),
) -> Answer:
    """Ask for a URL; with an `etag`, only for what is newer (RFC 9110, section 13.1.2). Raises `NotFound`.

    `fields` go along: to this URL alone, since nothing is followed.
    """
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await _connect(parts, resolver)
            try:
                writer.write(_question(parts, etag, fields))
                return await _read(reader)
            finally:
                writer.transport.abort()
    except TimeoutError:
        raise NotFound(f"no whole answer within {timeout_s:g} s") from None
    except LookupFailed as failed:
        raise NotFound(f"{parts.hostname} has no address: {failed}") from None
    except ssl.SSLCertVerificationError as error:
        raise NotFound(f"its certificate is not trusted: {error.verify_message}") from None
    except (EOFError, asyncio.LimitOverrunError, http.client.HTTPException, ValueError) as error:
        raise NotFound(f"the answer is none of HTTP, or was cut: {error or type(error).__name__}") from None
    except OSError as error:
        raise NotFound(f"{error.strerror or error}") from None


async def _connect(parts: SplitResult, resolver: Resolver) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first address that accepts."""
    host = parts.hostname or ""
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    port = parts.port or (443 if tls else 80)
    ips = (host,) if _is_ip(host) else (await resolver.look_up(host)).ips
    failed: OSError = OSError("there is no address")
    for ip in ips:
        try:
            return await asyncio.open_connection(
                ip, port, ssl=tls, server_hostname=host if tls else None, limit=MOST_HEAD
            )
        except ssl.SSLError:
            raise
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            failed = OSError(f"{ip} port {port} cannot be connected to: {reason}")
    raise failed


def _is_ip(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def _question(parts: SplitResult, etag: str | None, fields: Mapping[str, str]) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [f"GET {target} HTTP/1.1", f"Host: {parts.netloc}", "Accept: application/json", "User-Agent: tidegate"]
    lines += ["Accept-Encoding: identity", "Connection: close"]
    lines += [f"If-None-Match: {etag}"] if etag is not None else []
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def _read(reader: asyncio.StreamReader) -> Answer:
    head = await reader.readuntil(b"\r\n\r\n")
    answer = _parse(head)
    length = answer.length  # none: up to the end, or in chunks
    if length is not None and length > MOST_BYTES:
        raise NotFound(f"the answer is longer than the {MOST_BYTES // 2**20} MiB that a list may have")
    body = await (_up_to_the_end(reader) if length is None else reader.readexactly(length))
    if answer.chunked:
        body = _parse(head + body).read()
    etag = answer.headers.get("ETag")
    etag = etag if etag is not None and etag.isprintable() and etag.isascii() and len(etag) <= 1024 else None
    return Answer(answer.status, answer.reason, etag, body)


async def _up_to_the_end(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while part := await reader.read(MOST_HEAD):
        body += part
        if len(body) > MOST_BYTES:
            raise NotFound(f"the answer is longer than the {MOST_BYTES // 2**20} MiB that a list may have")
    return body


def _parse(content: bytes) -> http.client.HTTPResponse:
    answer = http.client.HTTPResponse(_Canned(content))  # type: ignore[arg-type]
    answer.begin()
    return answer


def rehearse() -> None:
    """Load what the standard library loads when it first reads an answer."""
    _parse(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nETag: x\r\n\r\n1\r\nx\r\n0\r\n\r\n").read()
    with suppress(http.client.HTTPException):
        _parse(b"nonsense\r\n\r\n")
    ssl.create_default_context()
