"""HTTP/2 of clients, in clear text: curl, and a client whose every frame the test decides."""

import json
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers.backend import Backend, Connection, Request
from tests.peers.curl import Curl, Fetched
from tests.peers.frames import (
    CANCEL,
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    GOAWAY,
    HEADERS,
    NO_ERROR,
    PING,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    FrameClient,
    frame,
    get,
    literal,
)
from tests.peers.tidegate import Tidegate, upstream

Backends = Callable[..., Backend]

pytestmark = pytest.mark.needs("curl")

CONTENT = bytes(range(256)) * 4096  # 1 MiB
NONE = Request("", [])
STATUS_400 = 0x80 | 12  # the table of HPACK has it (RFC 7541, appendix A)


@pytest.fixture
def fetch(curl: Curl) -> "Fetch":
    """Asks by HTTP/2 with prior knowledge."""
    return Fetch(curl)


class Fetch:
    """curl, which speaks HTTP/2 from the first byte."""

    def __init__(self, curl: Curl) -> None:
        self.curl = curl

    def __call__(self, *words: object, stdin: bytes = b"") -> Fetched:
        """Run it once."""
        return self.curl("--http2-prior-knowledge", *words, stdin=stdin)


def test_a_request_reaches_an_endpoint_of_http_1(tidegate: Tidegate, backend: Backends, fetch: Fetch) -> None:
    origin = backend()
    proxy = tidegate.run(upstream(origin.address))
    got = fetch(f"{proxy.url}/a?b=c", "--header", "X-One: 1", "--cookie", "a=1")
    assert (got.code, got.status, got.told["http_version"]) == (0, 200, "2")
    asked = origin.requests[-1]
    assert asked.line == "GET /a?b=c HTTP/1.1"
    assert asked.values("host") == [proxy.address()]
    assert (asked.values("x-one"), asked.values("cookie"), asked.values("via")) == (["1"], ["a=1"], ["2.0 tidegate"])
    assert not asked.values("te") and not asked.values("connection")
    heads = got.heads.lower()
    assert "connection:" not in heads and "transfer-encoding:" not in heads


@pytest.mark.parametrize("words", [["--data-binary", "@FILE"], ["--upload-file", "-"]], ids=["length", "streamed"])
def test_an_upload_and_its_echo_are_whole(
    tidegate: Tidegate, backend: Backends, fetch: Fetch, tmp_path: Path, words: list[str]
) -> None:
    def echo(connection: Connection) -> None:
        while request := connection.read_request():
            connection.answer(request.body)

    (tmp_path / "upload").write_bytes(CONTENT)
    proxy = tidegate.run(upstream(backend(echo).address))
    words = [word.replace("FILE", str(tmp_path / "upload")) for word in words]
    got = fetch(proxy.url, *words, stdin=CONTENT)
    assert (got.code, got.status, got.body == CONTENT) == (0, 200, True)


ANSWERS = {
    "chunked": ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, b"hello"),
    "until the end": ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", 200, b"hello"),
    "no content": ("HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "not modified": ("HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n", 304, b""),
    "empty": ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b""),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_is_whole_however_it_ends(tidegate: Tidegate, backend: Backends, fetch: Fetch, name: str) -> None:
    text, status, body = ANSWERS[name]

    def answer(connection: Connection) -> None:
        connection.read_request()
        connection.send(text)

    got = fetch(tidegate.run(upstream(backend(answer).address)).url)
    assert (got.code, got.status, got.body) == (0, status, body)


def test_interim_answers_and_trailers_come_through(tidegate: Tidegate, backend: Backends, fetch: Fetch) -> None:
    def answer(connection: Connection) -> None:
        connection.read_request()
        connection.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n")

    got = fetch(tidegate.run(upstream(backend(answer).address)).url)
    assert (got.code, got.status, got.body) == (0, 200, b"ok")
    assert "HTTP/2 103 \r\nlink: </a.css>\r\n" in got.heads
    assert "x-sum: 7\r\n" in got.heads


def test_head_has_the_length_and_no_body(tidegate: Tidegate, backend: Backends, fetch: Fetch) -> None:
    def answer(connection: Connection) -> None:
        connection.read_request()
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")

    got = fetch("--head", tidegate.run(upstream(backend(answer).address)).url)
    assert (got.code, got.status) == (0, 200)
    assert "content-length: 5\r\n" in got.heads


def test_a_cut_answer_shows(tidegate: Tidegate, backend: Backends, fetch: Fetch) -> None:
    def cut(connection: Connection) -> None:
        connection.read_request()
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")

    got = fetch(tidegate.run(upstream(backend(cut).address)).url)
    assert got.code == 92, got.error  # HTTP/2 stream error
    assert "INTERNAL_ERROR" in got.error


def test_answers_of_our_own_are_as_over_http_1(tidegate: Tidegate, fetch: Fetch) -> None:
    proxy = tidegate.run(upstream("127.0.0.1:1"))
    got = fetch(proxy.url)
    assert (got.code, got.status) == (0, 502)
    assert got.body.startswith(b"connect_refused: ")


def test_the_access_log_tells_the_version(tidegate: Tidegate, backend: Backends, fetch: Fetch, tmp_path: Path) -> None:
    log = tmp_path / "access.json"
    proxy = tidegate.run(upstream(backend().address) | {"access_log": {"to": str(log), "format": "json"}})
    fetch(f"{proxy.url}/x")
    assert proxy.stop() == 0
    line = json.loads(log.read_text())
    assert (line["version"], line["method"], line["path"], line["status"]) == ("2.0", "GET", "/x", 200)


def test_a_stream_that_is_reset_cancels_its_request(tidegate: Tidegate, backend: Backends) -> None:
    def wait(connection: Connection) -> None:
        origin.saw(connection.read_request() or NONE)
        connection.read_request()
        raise EOFError("it ended")

    origin = backend(wait)
    with FrameClient(tidegate.run(upstream(origin.address)).address()) as client:
        client.ask(1)
        origin.wait_for(lambda origin: origin.requests)
        client.send(frame(RST_STREAM, 1, struct.pack(">I", CANCEL)))
        origin.wait_for(lambda origin: origin.cut)
        client.ask(3)
        origin.wait_for(lambda origin: len(origin.requests) == 2)


def test_a_client_that_leaves_cancels_all_of_its_requests(tidegate: Tidegate, backend: Backends) -> None:
    def wait(connection: Connection) -> None:
        origin.saw(connection.read_request() or NONE)
        connection.read_request()
        raise EOFError("it ended")

    origin = backend(wait)
    with FrameClient(tidegate.run(upstream(origin.address)).address()) as client:
        for number in range(5):
            client.ask(1 + 2 * number)
        origin.wait_for(lambda origin: len(origin.requests) == 5)
    origin.wait_for(lambda origin: len(origin.cut) == 5)


def test_streams_beyond_the_limit_are_refused(tidegate: Tidegate, backend: Backends) -> None:
    asked = threading.Event()

    def wait(connection: Connection) -> None:
        connection.read_request()
        asked.wait(20)
        connection.answer()

    proxy = tidegate.run(upstream(backend(wait).address, http2={"streams": 2}))
    with FrameClient(proxy.address()) as client:
        client.read_until(SETTINGS)
        for stream in (1, 3, 5):
            client.ask(stream)
        refused = client.read_until(RST_STREAM)
        assert (refused.stream, refused.error) == (5, REFUSED_STREAM)
        asked.set()
        assert {client.read_until(HEADERS).stream, client.read_until(HEADERS).stream} == {1, 3}


def test_a_host_that_differs_from_the_authority_is_400(tidegate: Tidegate, backend: Backends) -> None:
    proxy = tidegate.run(upstream(backend().address))
    with FrameClient(proxy.address()) as client:
        client.send(frame(HEADERS, 1, get("a.example", "/", ("host", "b.example")), END_STREAM | END_HEADERS))
        assert client.read_until(HEADERS).payload[0] == STATUS_400


def test_a_proxy_protocol_header_stands_in_front(tidegate: Tidegate, backend: Backends) -> None:
    origin = backend()
    proxy = tidegate.run(upstream(origin.address, proxy_protocol="required"))
    with FrameClient(proxy.address(), before=b"PROXY TCP4 192.0.2.9 192.0.2.1 5 80\r\n") as client:
        client.ask(1)
        client.read_until(HEADERS, 1)
    assert origin.requests[0].values("x-forwarded-for") == ["192.0.2.9"]


def test_it_may_be_off(tidegate: Tidegate, backend: Backends) -> None:
    proxy = tidegate.run(upstream(backend().address, http2="off"))
    with proxy.connect() as client:
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert client.read_answer().status == 505


def test_a_drain_lets_what_was_begun_end(tidegate: Tidegate, backend: Backends) -> None:
    go = threading.Event()

    def wait(connection: Connection) -> None:
        origin.saw(connection.read_request() or NONE)
        go.wait(20)
        connection.answer()

    origin = backend(wait)
    proxy = tidegate.run(upstream(origin.address))
    with FrameClient(proxy.address()) as client:
        client.ask(1)
        origin.wait_for(lambda origin: origin.requests)
        stopping = threading.Thread(target=proxy.stop)
        stopping.start()
        assert client.read_until(GOAWAY).error == NO_ERROR
        go.set()
        client.read_until(HEADERS, 1)
        list(client.frames())  # to its end
        stopping.join()


def test_an_old_connection_is_told_to_go(tidegate: Tidegate, backend: Backends) -> None:
    proxy = tidegate.run(upstream(backend().address, timeouts={"max_age": "200ms"}))
    with FrameClient(proxy.address()) as client:
        assert client.read_until(GOAWAY).error == NO_ERROR


def test_a_connection_without_work_is_told_to_go(tidegate: Tidegate, backend: Backends) -> None:
    proxy = tidegate.run(upstream(backend().address, timeouts={"idle": "200ms"}))
    with FrameClient(proxy.address()) as client:
        client.ask(1)
        client.read_until(HEADERS, 1)
        assert client.read_until(GOAWAY).error == NO_ERROR


def flood_of_resets(client: FrameClient) -> bytes:
    """Begin streams and reset them at once (CVE-2023-44487)."""
    block = get(client.authority)
    streams = range(1, 1001, 2)
    each = (frame(HEADERS, one, block, 5) + frame(RST_STREAM, one, struct.pack(">I", CANCEL)) for one in streams)
    return b"".join(each)


FLOODS: dict[str, Callable[[FrameClient], bytes]] = {
    "resets": flood_of_resets,
    "pings": lambda _: frame(PING, payload=b"12345678") * 5000,
    "settings": lambda _: frame(SETTINGS) * 5000,
    "unknown": lambda _: frame(77) * 5000,
    "continuations": lambda client: (
        frame(HEADERS, 1, get(client.authority), END_STREAM) + frame(CONTINUATION, 1, literal("x-a", "b")) * 5000
    ),
    "empty data": lambda client: frame(HEADERS, 1, get(client.authority), END_HEADERS) + frame(0, 1) * 500_000,
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_ends_with_a_goaway(tidegate: Tidegate, backend: Backends, fetch: Fetch, name: str) -> None:
    proxy = tidegate.run(upstream(backend().address))
    with FrameClient(proxy.address()) as client:
        client.flood(FLOODS[name](client))
        assert client.read_until(GOAWAY).error == ENHANCE_YOUR_CALM
    proxy.supervisor.wait_for_line("sent away with GOAWAY")
    assert fetch(proxy.url).status == 200
