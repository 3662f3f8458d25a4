"""Requests as bytes, in the forms that tests need again and again."""


def head(method: str, target: str, *fields: str, version: str = "1.1", host: str | None = "api") -> bytes:
    """A head: request line, Host unless it is None, and the fields."""
    named = [] if host is None else [f"Host: {host}"]
    lines = (f"{method} {target} HTTP/{version}", *named, *fields, "", "")
    return "\r\n".join(lines).encode("latin-1")


def get(target: str = "/", *fields: str) -> bytes:
    """A request without a body."""
    return head("GET", target, *fields)


def post(target: str, body: bytes, *fields: str) -> bytes:
    """A request whose body has a length."""
    return head("POST", target, f"Content-Length: {len(body)}", *fields) + body


def chunk(data: bytes) -> bytes:
    """One chunk of a body; an empty one is the last, which an empty line or trailers must follow."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b"0\r\n"


def chunked(target: str, *chunks: bytes, fields: tuple[str, ...] = (), trailers: bytes = b"") -> bytes:
    """A request whose body is chunks, to its end."""
    body = b"".join(map(chunk, chunks))
    return head("POST", target, "Transfer-Encoding: chunked", *fields) + body + b"0\r\n" + trailers + b"\r\n"
