"""What backends answer, well or badly, and what of it reaches the client."""

from collections import deque
from collections.abc import Callable
from functools import partial

import pytest

from tests.peers.backend import Backend, Connection, Request
from tests.peers.messages import chunked, get, head, post
from tests.peers.tidegate import Running, Tidegate, upstream

Backends = Callable[..., Backend]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LAST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
"""Of a backend that then closes. Unannounced, the next test's POST could meet the end of a pooled connection."""


class Scripted:
    """A backend that answers requests for a path with what the test wrote for it, and an instance in front of it."""

    def __init__(self, backend: Backend, proxy: Running) -> None:
        self.backend = backend
        self.proxy = proxy
        self.scripts: dict[str, deque[tuple[bytes, bool]]] = {}
        backend.handler = self._answer

    def script(self, *answers: bytes, closes: bool = False) -> str:
        """Give these answers, one for each request of the path that this returns; close after each, or stay."""
        path = f"/{len(self.scripts)}"
        self.scripts[path] = deque((answer, closes) for answer in answers)
        return path

    def seen(self, path: str) -> list[Request]:
        """What was asked for at the path."""
        return [request for request in self.backend.requests if request.line.split()[1] == path]

    def _answer(self, connection: Connection) -> None:
        closes = False
        while not closes and (request := connection.read_request()):
            answer, closes = self.scripts[request.line.split()[1]].popleft()
            self.backend.saw(request)
            connection.send(answer)


@pytest.fixture(scope="module")
def scripted(shared_tidegate: Tidegate, shared_backend: Backends) -> Scripted:
    """One that all tests share."""
    one = shared_backend()
    return Scripted(one, shared_tidegate.run(upstream(one.address)))


def test_interim_answers_are_passed_on_in_order(scripted: Scripted) -> None:
    hints = b"".join(b"HTTP/1.1 103 Early Hints\r\nLink: </%d.css>\r\n\r\n" % number for number in range(3))
    processing = b"HTTP/1.1 102 Processing\r\n\r\n"
    path = scripted.script(hints + processing + OK)
    with scripted.proxy.connect() as client:
        seen = [client.ask(get(path))] + [client.read_answer() for _ in range(4)]
    assert [answer.status for answer in seen] == [103, 103, 103, 102, 200]
    assert [answer.field("link") for answer in seen[:3]] == ["</0.css>", "</1.css>", "</2.css>"]
    assert seen[-1].body == b"ok"


def test_an_early_hint_arrives_before_the_answer(tidegate: Tidegate, backend: Backends) -> None:
    def hint(connection: Connection) -> None:
        while connection.read_head():
            connection.send(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
            assert connection.socket.recv(1) == b"x"  # the client has the hint, and says so
            connection.answer()

    request = head("POST", "/", "Content-Length: 1", "Expect: 100-continue")
    with tidegate.run(upstream(backend(hint).address)).connect() as client:
        assert client.ask(request).status == 103
        assert client.ask(b"x").status == 200


def test_an_answer_during_an_upload_arrives_though_the_backend_then_resets(
    tidegate: Tidegate, backend: Backends
) -> None:
    def refuse(connection: Connection) -> None:
        connection.read_head()
        connection.answer("too big", "413 Content Too Large", "Connection: close")
        connection.socket.close()  # what it has not read makes this a reset

    proxy = tidegate.run(upstream(backend(refuse).address))
    for _ in range(30):
        with proxy.connect() as client:
            client.send(head("POST", "/", "Content-Length: 3000000") + b"x" * 3_000_000)
            assert client.read_answer().status == 413


def test_trailers_pass_both_ways(scripted: Scripted) -> None:
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n"
    path = scripted.script(chunks, chunks)
    request = chunked(path, b"hello", b"world", fields=("TE: trailers",), trailers=b"X-Sum: 9\r\nX-Sum: 10\r\n")
    with scripted.proxy.connect() as client:
        for _ in range(2):
            got = client.ask(request)
            assert (got.body, got.trailers) == (b"ok", ["X-Sum: 7"])
    for seen in scripted.seen(path):
        assert (seen.body, seen.trailers) == (b"helloworld", ["X-Sum: 9", "X-Sum: 10"])


@pytest.mark.parametrize("trailer", [b"Content-Length: 5", b"Host: other", b"Transfer-Encoding: chunked"])
def test_a_trailer_that_would_change_the_request_is_refused(scripted: Scripted, trailer: bytes) -> None:
    path = scripted.script()
    with scripted.proxy.connect() as client:
        assert client.ask(chunked(path, b"hello", trailers=trailer + b"\r\n")).status == 400
    assert scripted.seen(path) == []


def test_a_body_that_ends_with_the_connection_is_whole_and_the_client_stays(scripted: Scripted) -> None:
    body = bytes(range(256)) * 1000
    path = scripted.script(*[b"HTTP/1.1 200 OK\r\n\r\n" + body] * 2, closes=True)
    with scripted.proxy.connect() as client:
        for _ in range(2):
            answer = client.ask(get(path))
            assert (answer.field("transfer-encoding"), answer.body == body) == ("chunked", True)


def test_an_answer_of_http_1_0_is_understood(scripted: Scripted) -> None:
    path = scripted.script(*[b"HTTP/1.0 200 Fine\r\nContent-Length: 2\r\n\r\nok"] * 2, closes=True)
    with scripted.proxy.connect() as client:
        for _ in range(2):
            answer = client.ask(get(path))
            assert (answer.version, answer.reason, answer.field("via"), answer.body) == (
                "HTTP/1.1",
                "Fine",
                "1.0 tidegate",
                b"ok",
            )


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nbad\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloJUNK\r\n0\r\n\r\n",
    ],
    ids=["length", "chunks", "no empty line", "no chunk size", "junk after a chunk"],
)
def test_an_answer_that_is_cut_is_seen_to_be_cut(scripted: Scripted, answer: bytes) -> None:
    path = scripted.script(answer, LAST, closes=True)
    with scripted.proxy.connect() as client:
        client.send(get(path) * 2)
        came, _, body = client.read_all().partition(b"\r\n\r\n")
        # What breaks before the head is on its way leaves nothing of it.
        assert came.startswith(b"HTTP/1.1 200 OK\r\n") or not came
        assert body in (b"hello", b"5\r\nhello\r\n", b"")  # no end, and no answer to the next request


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", "upstream_closed"),
        (b"HTTP/1.1 200 OK\r\nContent-", "response_malformed"),
        (b"hello\r\n\r\n", "response_malformed"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "response_malformed"),
        (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", "response_malformed"),
        (b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "response_malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", "response_malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok", "response_malformed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", "response_malformed"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "response_malformed"),
        (b"HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n", "response_malformed"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "unexpected_upgrade"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n", "response_head_too_large"),
    ],
    ids=lambda value: None if isinstance(value, str) else value[:40].decode(),
)
def test_a_broken_answer_is_502_and_nothing_of_it_is_passed_on(scripted: Scripted, answer: bytes, kind: str) -> None:
    path = scripted.script(answer, LAST, closes=True)
    with scripted.proxy.connect() as client:
        got = client.ask(post(path, b"hello"))
        assert (got.status, kind in got.body.decode()) == (502, True)
        assert scripted.backend.address not in got.body.decode() + got.head.decode()
        assert client.ask(get(path)).body == b"ok"
    first, second = scripted.seen(path)
    assert first.connection != second.connection


def test_bytes_after_an_answer_reach_nobody(scripted: Scripted) -> None:
    path = scripted.script(*[OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"] * 3)
    with scripted.proxy.connect() as client:
        assert [client.ask(get(path)).body for _ in range(3)] == [b"ok"] * 3
    assert len({request.connection for request in scripted.seen(path)}) == 3  # none was used again


def has_seen(count: int, one: Backend) -> bool:
    """Whether a backend has seen so many requests."""
    return len(one.requests) == count


def test_bytes_on_an_idle_connection_reach_nobody(tidegate: Tidegate, backend: Backends) -> None:
    def chatter(connection: Connection) -> None:
        while request := connection.read_request():
            connection.answer(str(connection.number))
            try:
                connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            finally:
                one.saw(request)  # only now: what comes behind a request that was sent meanwhile would be its answer

    one = backend(chatter)
    with tidegate.run(upstream(one.address)).connect() as client:
        for number in (1, 2, 3):
            assert client.ask(get()).body == str(number).encode()
            one.wait_for(partial(has_seen, number))


@pytest.mark.parametrize(
    ("method", "answer", "length"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "1000"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", None),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n", "1000"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", None),
    ],
)
def test_an_answer_without_a_body_leaves_both_connections_in_step(
    scripted: Scripted, method: str, answer: bytes, length: str | None
) -> None:
    path = scripted.script(answer, OK, OK)
    with scripted.proxy.connect() as client:
        got = client.send(head(method, path)).read_answer(head_only=True)
        assert got.field("content-length") == length
        assert [client.ask(get(path)).body for _ in range(2)] == [b"ok"] * 2
    assert len({request.connection for request in scripted.seen(path)}) == 1


@pytest.mark.parametrize(("method", "statuses"), [("GET", [200, 200]), ("POST", [200, 502])])
def test_a_kept_connection_that_ends_in_silence_is_only_the_trouble_of_what_cannot_be_repeated(
    tidegate: Tidegate, backend: Backends, method: str, statuses: list[int]
) -> None:
    def once(connection: Connection) -> None:
        for answers in (True, False):
            if (request := connection.read_request()) is None:
                return
            one.saw(request)
            if answers:
                connection.answer()

    one = backend(once)
    request = get() if method == "GET" else post("/", b"hello")
    with tidegate.run(upstream(one.address)).connect() as client:
        assert [client.ask(request).status for _ in range(2)] == statuses
    assert [request.connection for request in one.requests] == ([1, 1, 2] if method == "GET" else [1, 1])
