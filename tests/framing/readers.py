"""Two readers of one message: the core, and h11."""

from dataclasses import dataclass, replace

import h11

from tidegate._engine import read_request, read_response

Fields = list[tuple[bytes, bytes]]

MUCH = 1 << 20
"""Bytes that h11 takes for one head; what it takes is not limited here."""


@dataclass(frozen=True)
class Message:
    """What a reader found at the front of the bytes."""

    line: tuple[bytes | str | int, ...]
    fields: Fields
    body: bytes
    trailers: Fields
    keeps: bool | None
    """Whether the connection goes on; none where the reader does not say."""
    end: int
    """How many bytes it has."""


@dataclass(frozen=True)
class Refused:
    """Why a reader takes none of it."""

    says: str


@dataclass(frozen=True)
class Unfinished:
    """Bytes are missing."""


Found = Message | Refused | Unfinished


def our_request(data: bytes) -> Found:
    """Read a request as the core does."""
    try:
        found = read_request(data)
    except ValueError as refusal:
        return Refused(str(refusal))
    if found is None:
        return Unfinished()
    line, fields, body, trailers, keeps, end = found
    return Message(line, lowered(fields), body, lowered(trailers), keeps, end)


def our_answer(data: bytes, method: str) -> Found:
    """Read an answer to `method` as the core does."""
    try:
        found = read_response(data, method)
    except ValueError as refusal:
        return Refused(str(refusal))
    if found is None:
        return Unfinished()
    line, fields, body, trailers, keeps, end = found
    return Message(line, lowered(fields), body, lowered(trailers), keeps, end)


def h11_request(data: bytes) -> Found:
    """Read a request as h11 does."""
    return h11_message(h11.Connection(h11.SERVER, max_incomplete_event_size=MUCH), data, lasts=False)


def h11_answer(data: bytes, method: str) -> Found:
    """Read an answer to `method` as h11 does."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MUCH)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    connection.send(h11.EndOfMessage())
    return h11_message(connection, data, lasts=True)


def h11_message(connection: h11.Connection, data: bytes, *, lasts: bool) -> Found:
    """Read the first message; `lasts`: the end of the connection may be its end."""
    connection.receive_data(data)
    head: h11.Request | h11.Response | h11.InformationalResponse | None = None
    body, ended = b"", False
    while True:
        try:
            happened = connection.next_event()
        except h11.RemoteProtocolError as refusal:
            return Unfinished() if ended else Refused(str(refusal))
        match happened:
            case h11.InformationalResponse():
                return message(connection, happened, b"", [], len(data))
            case h11.Request() | h11.Response():
                head = happened
            case h11.Data():
                body += happened.data
            case h11.EndOfMessage() if head is not None:
                found = message(connection, head, body, list(happened.headers), len(data))
                return replace(found, keeps=False) if ended else found
            case h11.NEED_DATA if lasts and not ended:
                connection.receive_data(b"")
                ended = True
            case _:
                return Unfinished()


def message(
    connection: h11.Connection,
    head: h11.Request | h11.Response | h11.InformationalResponse,
    body: bytes,
    trailers: Fields,
    length: int,
) -> Message:
    """Say what h11 found; what is left over tells where it ended."""
    version = head.http_version.decode()
    line: tuple[bytes | str | int, ...]
    if isinstance(head, h11.Request):
        line = (head.method, head.target, version)
    else:
        line = (version, head.status_code, head.reason)
    # h11 keeps no HTTP/1.0 connection, whatever is asked for, and says nothing of one that may become another protocol.
    states = {h11.DONE: True, h11.MUST_CLOSE: False, h11.CLOSED: False}
    keeps = None if version == "1.0" else states.get(connection.their_state)
    return Message(line, list(head.headers), body, trailers, keeps, length - len(connection.trailing_data[0]))


def lowered(fields: Fields) -> Fields:
    """Names in lower case, as h11 has them, and the one value that it lowers too."""
    coding = b"transfer-encoding"
    return [(name.lower(), value.lower() if name.lower() == coding else value) for name, value in fields]
