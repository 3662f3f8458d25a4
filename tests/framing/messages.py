"""Messages as bytes: made from the grammar of RFC 9112, then spoilt in a place or two, so that a reader must decide."""

from hypothesis import strategies as st

METHODS = [b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"M-SEARCH", b"get"]
TARGETS = [b"/", b"/v1/items?page=2", b"/a//b;c=d", b"/%2f%00", b"/?", b"http://a/x", b"HTTP://A?q", b"/[x]|{y}", b"*"]
STATUSES = [b"200", b"200", b"200", b"201", b"204", b"206", b"304", b"404", b"500", b"599", b"100", b"103"]
REASONS = [b"OK", b"Not Found", b"", b"a b\tc", b"caf\xe9"]
VERSIONS = [b"1.1", b"1.1", b"1.1", b"1.1", b"1.0"]
NAMES = [b"Accept", b"X-Token", b"Cookie", b"x_y", b"Via", b"TE", b"Upgrade", b"If-Match", b"!#$%&'*+-.^_`|~9"]
OPTIONS = [b"close", b"keep-alive", b"Close", b"x-hop", b"close, x-hop", b"keep-alive, upgrade", b",close,", b""]
NO_CONTROLS = bytes(byte if byte in b"\t " or (byte > 0x20 and byte != 0x7F) else ord("x") for byte in range(256))
"""A table for `translate`: what a field's value may hold (RFC 9110, section 5.5)."""
BLANKS = [b"", b" ", b"\t", b"  \t "]
SPOILS = [
    *[b"\r", b"\n", b"\r\n", b" ", b"\t", b"\0", b"\x0b", b"\x7f", b"\x80", b":", b";", b",", b'"', b"\\", b"/", b"="],
    *[b"0", b"1", b"f", b"+", b"-", b"x", b"0x", b"chunked", b"close", b"Content-Length: 3\r\n", b"\r\n\r\n"],
]

SIZES = st.integers(0, 20)
BODIES = st.binary(max_size=20)
VALUES = st.binary(max_size=12).map(lambda value: value.translate(NO_CONTROLS).strip(b" \t"))


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A field line."""
    if draw(st.integers(0, 4)) == 0:
        name, value = b"Connection", draw(st.sampled_from(OPTIONS))
    else:
        name, value = draw(st.sampled_from(NAMES)), draw(VALUES)
    blank = st.sampled_from(BLANKS)
    return name + b":" + draw(blank) + value + draw(blank) + b"\r\n"


@st.composite
def chunks(draw: st.DrawFn) -> bytes:
    """A chunked body, with extensions and trailers."""
    body = b""
    for data in draw(st.lists(st.binary(min_size=1, max_size=20), max_size=3)):
        size = draw(st.sampled_from([b"%x", b"%X", b"00%x"])) % len(data)
        body += size + draw(st.sampled_from([b"", b"", b";a", b";a=b", b';a="b;c"'])) + b"\r\n" + data + b"\r\n"
    trailers = st.lists(st.sampled_from([b"X-Sum: 1\r\n", b"etag:\t\r\n", b"X-Sum:  a b \r\n"]), max_size=2)
    return body + draw(st.sampled_from([b"0", b"000", b"0;a"])) + b"\r\n" + b"".join(draw(trailers)) + b"\r\n"


@st.composite
def framed(draw: st.DrawFn, *, bare: bool) -> tuple[bytes, bytes]:
    """A field that frames, and the body that it announces; `bare`: there may be a body without such a field."""
    way = draw(st.integers(0, 5))
    if way == 0:
        return b"", draw(BODIES) if bare else b""
    if way <= 2:
        return b"Transfer-Encoding: " + draw(st.sampled_from([b"chunked", b"Chunked"])) + b"\r\n", draw(chunks())
    body = draw(BODIES)
    length = draw(st.one_of(st.just(len(body)), st.just(len(body)), SIZES))
    return b"Content-Length:" + draw(st.sampled_from(BLANKS)) + b"%d\r\n" % length, body


@st.composite
def messages(draw: st.DrawFn, line: bytes, *, host: bytes, bare: bool) -> bytes:
    """A message with this start line, perhaps spoilt, perhaps with the next one behind it."""
    frame, body = draw(framed(bare=bare))
    fields = [host, frame, *draw(st.lists(lines(), max_size=4))]
    head = line + b"\r\n" + b"".join(draw(st.permutations(fields))) + b"\r\n"
    whole = head + body + draw(st.sampled_from([b"", b"", b"GET / HTTP/1.1\r\n", b"\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
        whole = draw(spoilt(whole))
    return whole


@st.composite
def spoilt(draw: st.DrawFn, message: bytes) -> bytes:
    """The message with something put in, taken out or replaced."""
    at = draw(st.integers(0, len(message)))
    gone = draw(st.sampled_from([0, 0, 1, 2]))
    put = draw(st.sampled_from([b"", *SPOILS]))
    return message[:at] + put + message[at + gone :]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request, and what may follow it."""
    parts = [draw(st.sampled_from(each)) for each in (METHODS, TARGETS, VERSIONS)]
    return draw(messages(b"%s %s HTTP/%s" % tuple(parts), host=b"Host: a\r\n", bare=False))


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """An answer, and what may follow it."""
    parts = [draw(st.sampled_from(each)) for each in (VERSIONS, STATUSES, REASONS)]
    return draw(messages(b"HTTP/%s %s %s" % tuple(parts), host=b"", bare=True))
