"""HTTP/1.1 on real sockets: what a client sees of bodies, errors and connections."""

import socket
from collections.abc import Callable

import pytest

from tests.peers.backend import Backend
from tests.peers.tidegate import Tidegate, upstream

Backends = Callable[..., Backend]
HOST = "Host: api\r\n"


def exchange(address: str, *pieces: bytes) -> bytes:
    """Everything that comes back on one connection until its end."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as client:
        for piece in pieces:
            client.sendall(piece)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while more := client.recv(65536):
            answer += more
    return answer


def test_pipelined_requests_are_answered_in_order(tidegate: Tidegate, backend: Backends) -> None:
    proxy = tidegate.run(upstream(backend().address))
    requests = "".join(f"GET /{n} HTTP/1.1\r\n{HOST}\r\n" for n in range(5)).encode()
    assert exchange(proxy.address("web"), requests).count(b"HTTP/1.1 200 OK\r\n") == 5


def test_a_client_that_half_closes_gets_its_answer(tidegate: Tidegate, backend: Backends) -> None:
    proxy = tidegate.run(upstream(backend().address))
    assert exchange(proxy.address("web"), f"GET / HTTP/1.1\r\n{HOST}\r\n".encode()).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("request_bytes", "status", "kind"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400, b"invalid_host"),
        (b"GET / HTTP/1.1\nHost: api\n\n", 400, b"malformed_request"),
        (
            b"POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            b"ambiguous_",
        ),
        (b"POST / HTTP/1.1\r\nHost: api\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400, b"ambiguous_framing"),
        (b"GET /../etc HTTP/1.1\r\nHost: api\r\n\r\n", 400, b"ambiguous_path"),
        (b"TRACE / HTTP/1.1\r\nHost: api\r\n\r\n", 405, b"method_refused"),
        (b"GET / HTTP/1.1\r\nHost: api\r\nExpect: tea\r\n\r\n", 417, b"expectation_failed"),
        (b"GET / HTTP/2.0\r\nHost: api\r\n\r\n", 505, b"unsupported_version"),
        (b"GET / HTTP/1.1\r\nHost: api\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", 431, b"head_too_large"),
        (b"GET /" + b"y" * 20_000 + b" HTTP/1.1\r\nHost: api\r\n\r\n", 414, b"request_line_too_long"),
    ],
    ids=lambda value: value.decode() if isinstance(value, bytes) and len(value) < 30 else None,
)
def test_a_refused_request_says_why_and_ends_the_connection(
    tidegate: Tidegate, backend: Backends, request_bytes: bytes, status: int, kind: bytes
) -> None:
    proxy = tidegate.run(upstream(backend().address))
    smuggled = f"GET /smuggled HTTP/1.1\r\n{HOST}\r\n".encode()
    answer = exchange(proxy.address("web"), request_bytes, smuggled if status == 400 else b"")
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert kind in answer
    assert status != 400 or answer.count(b"HTTP/1.1 ") == 1


def test_an_endpoint_that_refuses_is_passed_over_and_no_client_sees_it(tidegate: Tidegate, backend: Backends) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = f"127.0.0.1:{closed.getsockname()[1]}"
    proxy = tidegate.run(upstream([dead, backend().address]))
    with proxy.connect() as client:
        assert [client.ask(f"GET / HTTP/1.1\r\n{HOST}\r\n").status for _ in range(10)] == [200] * 10


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_large_upload_arrives_whole(tidegate: Tidegate, framing: str) -> None:
    body = bytes(range(256)) * 4096  # 1 MiB
    if framing == "length":
        sent = f"POST / HTTP/1.1\r\n{HOST}Content-Length: {len(body)}\r\n\r\n".encode() + body
    else:
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:500_000], body[500_000:]))
        sent = f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks + b"0\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as endpoint:
        endpoint.settimeout(10)
        proxy = tidegate.run(upstream(f"127.0.0.1:{endpoint.getsockname()[1]}"))
        host, port = proxy.address("web").rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(sent[: 64 * 1024])
            peer, _ = endpoint.accept()
            with peer:
                peer.settimeout(10)
                client.settimeout(10)
                got, rest = b"", memoryview(sent)[64 * 1024 :]
                while rest or not is_whole(got, framing, len(body)):
                    if rest:
                        rest = rest[client.send(rest[:65536]) :]
                    got += peer.recv(1 << 20)
                peer.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 204 ")
    assert decoded(got.split(b"\r\n\r\n", 1)[1], framing) == body


def is_whole(got: bytes, framing: str, length: int) -> bool:
    """Whether the endpoint has the whole request."""
    if framing == "chunked":
        return got.endswith(b"\r\n0\r\n\r\n")
    return b"\r\n\r\n" in got and len(got.split(b"\r\n\r\n", 1)[1]) == length


def decoded(body: bytes, framing: str) -> bytes:
    """The body without its framing."""
    if framing == "length":
        return body
    whole = b""
    while True:
        size, body = body.split(b"\r\n", 1)
        if int(size, 16) == 0:
            return whole
        whole, body = whole + body[: int(size, 16)], body[int(size, 16) + 2 :]


def test_a_websocket_is_a_tunnel(tidegate: Tidegate) -> None:
    with socket.create_server(("127.0.0.1", 0)) as endpoint:
        endpoint.settimeout(10)
        proxy = tidegate.run(upstream(f"127.0.0.1:{endpoint.getsockname()[1]}"))
        host, port = proxy.address("web").rsplit(":", 1)
        upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n"
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(f"GET /ws HTTP/1.1\r\n{HOST}{upgrade}\r\n".encode())
            peer, _ = endpoint.accept()
            with peer:
                peer.settimeout(10)
                assert b"upgrade: websocket" in peer.recv(65536)
                switch = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello"
                peer.sendall(switch)
                seen = b""
                while not seen.endswith(b"hello"):
                    seen += client.recv(65536)
                assert seen.startswith(b"HTTP/1.1 101 ")
                client.sendall(b"ping")
                assert peer.recv(100) == b"ping"
                client.shutdown(socket.SHUT_WR)
                assert peer.recv(100) == b""
                peer.sendall(b"last words")
            assert client.recv(100) == b"last words"
            assert client.recv(100) == b""


def test_an_answer_that_is_cut_is_never_taken_for_whole(tidegate: Tidegate) -> None:
    with socket.create_server(("127.0.0.1", 0)) as endpoint:
        endpoint.settimeout(10)
        proxy = tidegate.run(upstream(f"127.0.0.1:{endpoint.getsockname()[1]}"))
        host, port = proxy.address("web").rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(f"GET / HTTP/1.1\r\n{HOST}\r\n".encode())
            peer, _ = endpoint.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            seen = b""
            while more := client.recv(65536):
                seen += more
            assert seen.endswith(b"5\r\nhello\r\n")
