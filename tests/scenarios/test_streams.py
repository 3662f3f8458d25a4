"""Streams: long polls, back-pressure both ways, clients that leave, and deadlines of an answer."""

import select
import socket
import threading
from collections.abc import Callable

import pytest

from tests.peers.backend import Backend, Connection
from tests.peers.messages import chunk, chunked, get, head, post
from tests.peers.tidegate import Config, Tidegate, upstream

Backends = Callable[..., Backend]

TOTAL = 64 * 1024 * 1024
BOUND = 24 * 1024 * 1024
"""What all buffers on the way may hold; nearly all of it are the kernel's four, of at most 4 or 6 MiB each."""


def test_a_long_poll_is_answered_when_there_is_something_to_say(tidegate: Tidegate, backend: Backends) -> None:
    news = threading.Event()

    def poll(connection: Connection) -> None:
        while request := connection.read_request():
            one.saw(request)
            if "/poll" in request.line:
                assert news.wait(10)
            connection.answer("news")

    one = backend(poll)
    proxy = tidegate.run(upstream(one.address))
    clients = [proxy.connect().send(get("/poll")) for _ in range(20)]
    one.wait_for(lambda it: len(it.requests) == 20)
    with proxy.connect() as other:
        assert other.ask(get("/")).status == 200
    news.set()
    for client in clients:
        assert client.read_answer().body == b"news"
        client.close()


def send_until_full(sock: socket.socket) -> int:
    """Send until there has been no room for a second; say how much was sent."""
    sent, piece = 0, memoryview(b"x" * 65_536)
    sock.setblocking(False)
    while sent < TOTAL and select.select([], [sock], [], 1)[1]:
        sent += sock.send(piece[: TOTAL - sent])
    sock.settimeout(20)
    return sent


def drain(sock: socket.socket, most: int = 2 * TOTAL) -> tuple[int, bytes]:
    """Read to the end, or so much; say how much came, and the last bytes of it."""
    room, count, last = bytearray(1024 * 1024), 0, b""
    while count < most and (got := sock.recv_into(room)):
        count, last = count + got, (last + bytes(room[:got]))[-5:]
    return count, last


@pytest.mark.parametrize("framing", ["length", "chunked", "until close"])
def test_a_client_that_does_not_read_stops_the_backend(tidegate: Tidegate, backend: Backends, framing: str) -> None:
    sent: list[int] = []

    def flood(connection: Connection) -> None:
        request = connection.read_request()
        assert request is not None
        fields = {"length": f"Content-Length: {TOTAL}\r\n", "chunked": "Transfer-Encoding: chunked\r\n"}
        connection.send(f"HTTP/1.1 200 OK\r\n{fields.get(framing, '')}\r\n")
        if framing == "chunked":
            connection.send(f"{TOTAL:x}\r\n")
        sent.append(send_until_full(connection.socket))
        one.saw(request)
        connection.send(bytes(TOTAL - sent[0]))
        if framing == "chunked":
            connection.send("\r\n0\r\n\r\n")

    one = backend(flood)
    with tidegate.run(upstream(one.address)).connect() as client:
        client.send(get("/", "Connection: close"))
        one.wait_for(lambda it: it.requests, within_s=30)
        assert sent[0] < BOUND
        client.read_until(b"\r\n\r\n")
        count, last = drain(client.socket)
    assert len(client.unread) + count >= TOTAL
    assert (last == b"0\r\n\r\n") == (framing != "length")


def test_a_backend_that_does_not_read_stops_the_client(tidegate: Tidegate, backend: Backends) -> None:
    reading = threading.Event()

    def wait(connection: Connection) -> None:
        assert connection.read_head()
        assert reading.wait(20)
        begun = len(connection.unread)
        connection.answer(str(begun + drain(connection.socket, TOTAL - begun)[0]))

    with tidegate.run(upstream(backend(wait).address)).connect() as client:
        client.send(head("POST", "/", f"Content-Length: {TOTAL}"))
        sent = send_until_full(client.socket)
        assert sent < BOUND
        reading.set()
        client.send(bytes(TOTAL - sent))
        assert client.read_answer().body == str(TOTAL).encode()


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_large_upload_arrives_whole(tidegate: Tidegate, backend: Backends, framing: str) -> None:
    body = bytes(range(256)) * 4096  # 1 MiB
    request = post("/", body) if framing == "length" else chunked("/", body[:7], body[7:500_000], body[500_000:])
    one = backend()
    with tidegate.run(upstream(one.address)).connect() as client:
        assert [client.ask(request).status for _ in range(3)] == [200] * 3
    assert [request.body == body for request in one.requests] == [True] * 3


@pytest.mark.parametrize("when", ["while it waits", "while it reads", "while it sends"])
def test_a_client_that_resets_cancels_its_request_at_the_backend(
    tidegate: Tidegate, backend: Backends, when: str
) -> None:
    def watch(connection: Connection) -> None:
        request = connection.read_head()
        assert request is not None
        one.saw(request)
        if when == "while it reads":
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        while connection.socket.recv(65_536):
            pass
        raise EOFError("cancelled")

    one = backend(watch)
    with tidegate.run(upstream(one.address)).connect() as client:
        client.send(get() if when != "while it sends" else head("POST", "/", "Content-Length: 100000") + b"x" * 20_000)
        one.wait_for(lambda it: it.requests)
        if when == "while it reads":
            client.read_until(b"hello")
        client.reset()
        one.wait_for(lambda it: it.cut)


def test_a_client_that_ends_inside_its_request_cancels_it(tidegate: Tidegate, backend: Backends) -> None:
    one = backend()
    with tidegate.run(upstream(one.address)).connect() as client:
        client.send(head("POST", "/", "Transfer-Encoding: chunked") + chunk(b"x" * 20_000))
        one.wait_for(lambda it: it.accepted == 1)
        client.half_close()
        assert client.read_all() == b""
        one.wait_for(lambda it: it.cut)
    assert one.requests == []


def test_a_client_that_half_closes_gets_a_long_answer(tidegate: Tidegate, backend: Backends) -> None:
    def answer_late(connection: Connection) -> None:
        request = connection.read_request()
        assert request is not None
        one.saw(request)
        assert closed.wait(10)
        connection.answer(b"x" * 1_000_000)

    closed = threading.Event()
    one = backend(answer_late)
    with tidegate.run(upstream(one.address)).connect() as client:
        client.send(post("/", b"hello")).half_close()
        one.wait_for(lambda it: it.requests)
        closed.set()
        assert len(client.read_answer().body) == 1_000_000
        assert client.read_all() == b""


def test_a_hundred_pipelined_requests_are_answered_in_order(tidegate: Tidegate, backend: Backends) -> None:
    def echo(connection: Connection) -> None:
        while request := connection.read_request():
            connection.answer(f"{request.line} {len(request.body)}")

    requests = [get(f"/{n}") if n % 3 else post(f"/{n}", b"x" * n) for n in range(100)]
    with tidegate.run(upstream([backend(echo).address, backend(echo).address])).connect() as client:
        client.send(b"".join(requests))
        for n in range(100):
            method, size = ("GET", 0) if n % 3 else ("POST", n)
            assert client.read_answer().body.decode() == f"{method} /{n} HTTP/1.1 {size}"


def hurried(address: str, **timeouts: str) -> Config:
    """Everything to one backend, that has not much time."""
    config = upstream(address)
    config["routes"][0]["timeouts"] = timeouts
    return config


def test_a_backend_that_does_not_answer_is_504(tidegate: Tidegate, backend: Backends) -> None:
    one = backend(lambda connection: [connection.read_request(), connection.read_request()])
    with tidegate.run(hurried(one.address, response="300ms")).connect() as client:
        for _ in range(2):
            answer = client.ask(get())
            assert (answer.status, b"response_timeout" in answer.body) == (504, True)
    assert one.accepted == 2


def test_a_backend_that_pauses_its_answer_too_long_is_cut(tidegate: Tidegate, backend: Backends) -> None:
    def pause(connection: Connection) -> None:
        connection.read_request()
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        assert connection.read_request() is None

    with tidegate.run(hurried(backend(pause).address, idle="300ms")).connect() as client, pytest.raises(EOFError):
        client.ask(get())


def test_a_client_that_reads_nothing_is_left_after_its_time(tidegate: Tidegate, backend: Backends) -> None:
    one = backend(lambda connection: [connection.read_request(), connection.answer(b"x" * TOTAL)])
    with tidegate.run(hurried(one.address, idle="500ms")).connect() as client:
        client.send(get())
        one.wait_for(lambda it: it.cut)
        with pytest.raises((EOFError, ConnectionResetError)):
            client.read_answer()
