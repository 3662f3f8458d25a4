"""Endpoints that speak HTTP/2, and what they may say of requests that they have not looked at."""

import struct
from collections.abc import Callable

import pytest

from tests.peers.backend import Backend, Connection, Request
from tests.peers.curl import Curl
from tests.peers.frames import (
    GOAWAY,
    HEADERS,
    INTERNAL_ERROR,
    NO_ERROR,
    PING,
    REFUSED_STREAM,
    RST_STREAM,
    FrameServer,
    frame,
)
from tests.peers.nginx import Nginx
from tests.peers.tidegate import Config, Tidegate, upstream

pytestmark = pytest.mark.needs("curl")

Backends = Callable[..., Backend]
Say = Callable[[FrameServer, int], None]


def speaking_http2(address: str, **http2: object) -> Config:
    """A configuration whose endpoint speaks HTTP/2."""
    config = upstream(address)
    config["upstreams"]["api"] |= {"protocol": "http2", "http2": http2}
    return config


def saying(origin: list[Backend], *said: Say) -> Callable[[Connection], None]:
    """A server that says this to the first request, that to the second, and to all others what is last."""

    def serve(connection: Connection) -> None:
        server = FrameServer(connection.socket)
        for each in server.frames():
            if each.kind == HEADERS:
                origin[0].saw(Request(str(connection.number), []))
                say = said[min(len(origin[0].requests), len(said)) - 1]
                say(server, each.stream)

    return serve


def refuse(server: FrameServer, stream: int) -> None:
    """Refuse the stream."""
    server.send(frame(RST_STREAM, stream, struct.pack(">I", REFUSED_STREAM)))


def break_off(server: FrameServer, stream: int) -> None:
    """Fail at it."""
    server.send(frame(RST_STREAM, stream, struct.pack(">I", INTERNAL_ERROR)))


def leave(server: FrameServer, stream: int) -> None:
    """Go, without having looked at this stream."""
    server.send(frame(GOAWAY, 0, struct.pack(">II", stream - 2 if stream > 1 else 0, NO_ERROR)))


def answer(server: FrameServer, stream: int) -> None:
    """Answer it."""
    server.answer(stream, b"ok")


@pytest.mark.parametrize(
    ("said", "status", "asked"),
    [
        ([refuse, answer], 200, 2),
        ([leave, answer], 200, 2),
        ([refuse, refuse, answer], 503, 2),
        ([break_off, answer], 502, 1),
    ],
    ids=["refused", "gone", "refused twice", "failed"],
)
def test_what_was_not_looked_at_is_sent_once_more(
    tidegate: Tidegate, backend: Backends, curl: Curl, said: list[Say], status: int, asked: int
) -> None:
    made: list[Backend] = []
    made.append(backend(saying(made, *said)))
    got = curl(tidegate.run(speaking_http2(made[0].address)).url, "--data-binary", "a post")
    assert got.status == status
    assert len(made[0].requests) == asked


def test_a_route_may_try_what_was_refused_elsewhere(tidegate: Tidegate, backend: Backends, curl: Curl) -> None:
    made: list[Backend] = []
    made.append(backend(saying(made, refuse)))
    good: list[Backend] = []
    good.append(backend(saying(good, answer)))
    config = speaking_http2(made[0].address)
    config["upstreams"]["api"]["endpoints"].append(good[0].address)
    config["routes"][0]["retry"] = {"on": "refused", "back_off": {"base": "1ms"}}
    proxy = tidegate.run(config)
    assert [curl(proxy.url, "--data-binary", "a post").status for _ in range(4)] == [200] * 4


def test_nothing_begins_on_an_old_connection(tidegate: Tidegate, backend: Backends, curl: Curl) -> None:
    made: list[Backend] = []
    made.append(backend(saying(made, answer)))
    config = speaking_http2(made[0].address, max_age="1s")
    config["upstreams"]["api"]["pool"] = {"idle": "1h"}
    proxy = tidegate.run(config | {"threads": 1})
    while made[0].accepted < 2:  # the test's own bound is the limit
        assert curl(proxy.url).status == 200


def test_a_connection_that_answers_no_ping_is_closed(tidegate: Tidegate, backend: Backends, curl: Curl) -> None:
    def silent(connection: Connection) -> None:
        server = FrameServer(connection.socket)
        for each in server.frames():
            if each.kind == PING:
                origin.saw(Request("PING", []))

    origin = backend(silent)
    got = curl(tidegate.run(speaking_http2(origin.address, ping="1s")).url)
    assert (got.status, got.body.split(b":")[0]) == (502, b"upstream_reset")
    assert [request.line for request in origin.requests] == ["PING"]


def test_an_endpoint_that_speaks_http_1_is_none(tidegate: Tidegate, backend: Backends, curl: Curl) -> None:
    def answer_in_http_1(connection: Connection) -> None:
        connection.read_head()
        connection.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    got = curl(tidegate.run(speaking_http2(backend(answer_in_http_1).address)).url)
    assert (got.status, got.body.split(b":")[0]) == (502, b"connect_failed")


@pytest.mark.parametrize("version", ["--http1.1", "--http2-prior-knowledge"])
@pytest.mark.needs("nginx")
def test_a_file_of_nginx_is_whole(tidegate: Tidegate, nginx: Nginx, curl: Curl, version: str) -> None:
    content = bytes(range(256)) * 8192  # 2 MiB
    origin = nginx.start(listening="http2")
    (origin.files / "a").write_bytes(content)
    proxy = tidegate.run(speaking_http2(origin.address))
    for _ in range(3):
        got = curl(version, f"{proxy.url}/files/a")
        assert (got.code, got.status, got.body == content) == (0, 200, True)


def test_health_checks_speak_it_too(tidegate: Tidegate, backend: Backends, curl: Curl) -> None:
    good: list[Backend] = []
    good.append(backend(saying(good, answer)))
    config = speaking_http2(good[0].address)
    config["upstreams"]["api"]["endpoints"].append("127.0.0.1:1")
    config["upstreams"]["api"]["health"] = {"http": {"path": "/"}, "interval": "100ms"}
    proxy = tidegate.run(config)
    assert [curl(proxy.url).status for _ in range(4)] == [200] * 4
