"""Every version of clients with every version of endpoints: what a request or an answer can be crosses all of them.

An endpoint of HTTP/2 is a second instance, whose listener speaks nothing else; behind it stands the same backend.
"""

import itertools
import struct
import threading
from collections.abc import Callable, Iterator

import pytest
from websockets.sync.client import connect

from tests.peers.backend import Backend, Connection, Handler, Request
from tests.peers.curl import Curl, Fetched
from tests.peers.frames import CANCEL, DATA, END_HEADERS, HEADERS, RST_STREAM, FrameClient, frame, literal
from tests.peers.tidegate import Config, Running, Tidegate, upstream
from tests.peers.websocket_server import WebSocketServer

pytestmark = pytest.mark.needs("curl")

Backends = Callable[..., Backend]
Fetch = Callable[..., Fetched]

CONTENT = bytes(range(256)) * 4096  # 1 MiB
VERSIONS = list(itertools.product(["http1", "http2"], ["http1", "http2"]))


@pytest.fixture(scope="module", params=VERSIONS, ids=["-".join(pair) for pair in VERSIONS])
def versions(request: pytest.FixtureRequest) -> tuple[str, str]:
    """What clients speak, and what is spoken to the endpoint."""
    pair: tuple[str, str] = request.param
    return pair


class Chain:
    """An origin, and an instance in front of it that all tests of a pair of versions share."""

    def __init__(self, origin: Backend, proxy: Running) -> None:
        self.origin = origin
        self.proxy = proxy

    def __call__(self, handler: Handler) -> Running:
        """Have the origin do this from now on: no connection to it is kept."""
        self.origin.handler = handler
        return self.proxy


@pytest.fixture(scope="module")
def chain(shared_tidegate: Tidegate, versions: tuple[str, str]) -> Iterator[Chain]:
    """The origin speaks HTTP/1; where the endpoint has to speak HTTP/2, another instance stands before it."""
    origin = Backend()
    config = upstream(origin.address)
    config["upstreams"]["api"]["pool"] = {"idle": "0s"}
    if versions[1] == "http2":
        config["listeners"]["web"]["http2"] = "only"
        config = speaking_http2(shared_tidegate.run(config).address())
    yield Chain(origin, shared_tidegate.run(config))
    origin.end()


def speaking_http2(address: str) -> Config:
    """A configuration whose endpoint speaks HTTP/2."""
    config = upstream(address)
    config["upstreams"]["api"]["protocol"] = "http2"
    return config


@pytest.fixture
def fetch(curl: Curl, versions: tuple[str, str]) -> Fetch:
    """curl in the version of the client."""
    word = "--http2-prior-knowledge" if versions[0] == "http2" else "--http1.1"

    def run(*words: object, stdin: bytes = b"") -> Fetched:
        got = curl(word, *words, stdin=stdin)
        assert got.code or got.told["http_version"] == ("2" if versions[0] == "http2" else "1.1")
        return got

    return run


def answering(text: str | bytes) -> Callable[[Connection], None]:
    """A backend that says this to each request."""

    def answer(connection: Connection) -> None:
        while connection.read_request():
            connection.send(text)

    return answer


def test_a_get(chain: Chain, fetch: Fetch, versions: tuple[str, str]) -> None:
    origin = chain.origin
    proxy = chain(origin.tell)
    for _ in range(3):
        got = fetch(f"{proxy.url}/a?b=c", "--header", "X-One: 1", "--cookie", "a=1; b=2")
        assert (got.code, got.status) == (0, 200)
    asked = origin.requests[-1]
    assert (asked.line, asked.values("host")) == ("GET /a?b=c HTTP/1.1", [proxy.address()])
    assert (asked.values("x-one"), asked.values("cookie")) == (["1"], ["a=1; b=2"])
    via = "2.0 tidegate" if versions[0] == "http2" else "1.1 tidegate"
    assert asked.values("via")[0] == via
    assert not asked.values("transfer-encoding")


@pytest.mark.parametrize("words", [["--data-binary", "@-"], ["--upload-file", "-"]], ids=["length", "streamed"])
def test_a_large_post_and_its_echo(chain: Chain, fetch: Fetch, words: list[str]) -> None:
    def echo(connection: Connection) -> None:
        while request := connection.read_request():
            connection.answer(request.body)

    got = fetch(chain(echo).url, *words, stdin=CONTENT)
    assert (got.code, got.status, got.body == CONTENT) == (0, 200, True)


def test_a_large_answer_in_chunks(chain: Chain, fetch: Fetch) -> None:
    def answer(connection: Connection) -> None:
        connection.read_request()
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(CONTENT), 10_000):
            piece = CONTENT[at : at + 10_000]
            connection.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        connection.send("0\r\n\r\n")

    got = fetch(chain(answer).url)
    assert (got.code, got.status, got.body == CONTENT) == (0, 200, True)


def test_trailers(chain: Chain, fetch: Fetch) -> None:
    text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n"
    got = fetch(chain(answering(text)).url)
    assert (got.code, got.body) == (0, b"ok")
    assert "x-sum: 7\r\n" in got.heads.lower()


def test_head(chain: Chain, fetch: Fetch) -> None:
    got = fetch("--head", chain(answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")).url)
    assert (got.code, got.status) == (0, 200)
    assert "content-length: 5\r\n" in got.heads.lower()


@pytest.mark.parametrize("status", ["304 Not Modified", "204 No Content"])
def test_an_answer_without_a_body(chain: Chain, fetch: Fetch, status: str) -> None:
    proxy = chain(answering(f"HTTP/1.1 {status}\r\nETag: x\r\n\r\n"))
    for _ in range(2):
        got = fetch(proxy.url)
        assert (got.code, got.status, got.body) == (0, int(status[:3]), b"")


def test_an_interim_answer(chain: Chain, fetch: Fetch) -> None:
    text = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    got = fetch(chain(answering(text)).url)
    assert (got.code, got.status, got.body) == (0, 200, b"ok")
    assert " 103" in got.heads and "link: </a.css>\r\n" in got.heads.lower()


def test_an_answer_that_is_cut(chain: Chain, fetch: Fetch, versions: tuple[str, str]) -> None:
    def cut(connection: Connection) -> None:
        connection.read_request()
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")

    got = fetch(chain(cut).url)
    if versions[1] == "http2" and got.status == 502:
        return  # the reset came together with the head, and the codec tells only of the reset
    assert got.code == (92 if versions[0] == "http2" else 18), got.error


def test_a_client_that_leaves(chain: Chain, versions: tuple[str, str]) -> None:
    def wait(connection: Connection) -> None:
        origin.saw(connection.read_request() or Request("", []))
        connection.read_request()
        raise EOFError("it ended")

    origin, proxy = chain.origin, chain(wait)
    origin.requests.clear()
    origin.cut.clear()
    if versions[0] == "http1":
        with proxy.connect() as client:
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            origin.wait_for(lambda origin: origin.requests)
            client.reset()
    else:
        with FrameClient(proxy.address()) as framed:
            framed.ask(1)
            origin.wait_for(lambda origin: origin.requests)
            framed.send(frame(RST_STREAM, 1, struct.pack(">I", CANCEL)))
            origin.wait_for(lambda origin: origin.cut)
    origin.wait_for(lambda origin: origin.cut)


def test_bytes_both_ways_at_once(chain: Chain, versions: tuple[str, str]) -> None:
    """What the client sends is answered piece by piece, before the request has ended."""

    def echo(connection: Connection) -> None:
        connection.read_head()
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(3):
            piece = connection.read_chunk()
            connection.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        connection.read_chunk()
        connection.send("0\r\n\r\n")

    proxy = chain(echo)
    pieces = [b"one", b"two", b"three"]
    if versions[0] == "http1":
        with proxy.connect() as client:
            client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in pieces:
                client.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                client.read_until(piece + b"\r\n")
            client.send("0\r\n\r\n")
            client.read_until(b"0\r\n\r\n")
    else:
        with FrameClient(proxy.address()) as framed:
            framed.ask(1, method="POST", flags=END_HEADERS)
            for piece in pieces:
                framed.send(frame(DATA, 1, piece))
                assert framed.read_until(DATA, 1).payload == piece
            framed.send(frame(DATA, 1, b"", 1))
            assert framed.read_until(DATA, 1).flags & 1


def test_a_websocket(tidegate: Tidegate, versions: tuple[str, str]) -> None:
    with WebSocketServer() as server:
        config = upstream(server.address, http2="on" if versions[1] == "http1" else "only")
        proxy = tidegate.run(config)
        if versions[1] == "http2":
            proxy = tidegate.run(speaking_http2(proxy.address()))
        if versions[0] == "http1":
            with connect(f"ws://{proxy.address()}/ws", proxy=None, compression=None, max_size=None) as client:
                for message in ("hello", b"\x00\xff", "more " * 50_000):
                    client.send(message)
                    assert client.recv(10) == message
            return
        with FrameClient(proxy.address()) as framed:
            fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", "/ws")]
            fields += [(":authority", proxy.address()), ("sec-websocket-version", "13")]
            block = b"".join(literal(name, value) for name, value in fields)
            framed.send(frame(HEADERS, 1, block, END_HEADERS))
            assert framed.read_until(HEADERS, 1).payload[0] == 0x88  # :status 200
            framed.send(frame(DATA, 1, b"\x82\x85\0\0\0\0hello"))  # a message of five bytes, masked with zeros
            assert framed.read_until(DATA, 1).payload == b"\x82\x05hello"


def test_many_requests_share_a_connection(tidegate: Tidegate, backend: Backends, curl: Curl) -> None:
    asked = threading.Event()

    def wait(connection: Connection) -> None:
        while request := connection.read_request():
            origin.saw(request)
            asked.wait(20)
            connection.answer()

    origin = backend(wait)
    behind = tidegate.run(upstream(origin.address, http2="only"))
    proxy = tidegate.run(speaking_http2(behind.address()) | {"threads": 1})
    with FrameClient(proxy.address()) as framed:
        for number in range(50):
            framed.ask(1 + 2 * number)
        origin.wait_for(lambda origin: len(origin.requests) == 50)
        assert behind.status()["connections"] == 1
        asked.set()
        streams = {framed.read_until(HEADERS).stream for _ in range(50)}
        assert streams == {1 + 2 * number for number in range(50)}
