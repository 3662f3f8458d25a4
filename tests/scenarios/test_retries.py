"""Trying again: what clients see of endpoints that reset, hang, refuse or die, and what endpoints see of clients."""

import json
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.peers.backend import Backend, Connection
from tests.peers.load import Load
from tests.peers.messages import get, head, post
from tests.peers.sockets import address_of, listen
from tests.peers.tidegate import Config, Running, Tidegate, upstream
from tests.peers.waiting import until

Backends = Callable[..., Backend]


def retrying(addresses: list[str], retry: dict[str, Any], **parts: Any) -> Config:
    """A configuration whose route tries again, with an access log on stdout."""
    config = upstream(addresses)
    config["routes"][0] |= {"retry": retry, **parts}
    return config


def reset(connection: Connection) -> None:
    """Close the connection so that the other side gets a reset."""
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.socket.close()


class Kinds:
    """Makes backends that fail in one way, and one that is well; each counts its requests."""

    def __init__(self, backend: Backends) -> None:
        self.backend = backend

    def failing(self, how: str) -> Backend:
        """A backend that reads each request, and then does what its kind does."""

        def fail(connection: Connection) -> None:
            while request := connection.read_request():
                made.saw(request)
                match how:
                    case "resets":
                        reset(connection)
                        return
                    case "closes":
                        return
                    case "hangs":
                        connection.read_request()
                        return
                    case "answers 503":
                        connection.answer("busy", "503 Service Unavailable")
                    case "dies in its head":
                        connection.send("HTTP/1.1 200 OK\r\nContent-")
                        return
                    case "dies in its body":
                        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
                        return

        made = self.backend(fail)
        return made

    def well(self) -> Backend:
        """A backend that answers."""

        def say(connection: Connection) -> None:
            while request := connection.read_request():
                made.saw(request)
                connection.answer(request.body or b"ok")

        made = self.backend(say)
        return made


@pytest.fixture
def kinds(backend: Backends) -> Kinds:
    return Kinds(backend)


ANY = {"on": ["reset", "timeout", "gateway"], "per_try": "100ms", "body": "256KiB"}


def statuses(proxy: Running, count: int, request: bytes) -> list[int]:
    """What so many requests are answered with, each on a connection of its own where the last one ended."""
    seen = []
    for _ in range(count):
        with proxy.connect() as client:
            seen.append(client.ask(request).status)
    return seen


def scrape(proxy: Running) -> str:
    """The metrics, as Prometheus reads them."""
    with proxy.connect("admin") as admin:
        return admin.ask(head("GET", "/metrics", host="localhost")).body.decode()


@pytest.mark.parametrize("how", ["resets", "closes", "hangs", "answers 503"])
@pytest.mark.parametrize(
    "request_bytes",
    [
        get(),
        b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000,
        b"POST / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: 1\r\nContent-Length: 5\r\n\r\nhello",
    ],
    ids=["GET", "PUT with a body", "POST with a key"],
)
def test_what_may_be_repeated_succeeds_on_another_endpoint(
    tidegate: Tidegate, kinds: Kinds, how: str, request_bytes: bytes
) -> None:
    bad, good = kinds.failing(how), kinds.well()
    proxy = tidegate.run({**retrying([bad.address, good.address], ANY), "threads": 1})
    assert statuses(proxy, 6, request_bytes) == [200] * 6
    assert bad.requests
    assert {len(request.body) for request in good.requests} == {len(request_bytes.partition(b"\r\n\r\n")[2])}


@pytest.mark.parametrize(("how", "status"), [("resets", 502), ("closes", 502), ("answers 503", 503)])
def test_a_post_is_sent_once_whatever_becomes_of_it(tidegate: Tidegate, kinds: Kinds, how: str, status: int) -> None:
    bad = kinds.failing(how)
    proxy = tidegate.run({**retrying([bad.address], {**ANY, "on": ["reset", "timeout", "5xx"]}), "threads": 1})
    assert statuses(proxy, 20, post("/", b"hello")) == [status] * 20
    assert len(bad.requests) == 20


def test_a_post_that_is_slow_outlasts_the_time_of_a_try_and_is_sent_once(tidegate: Tidegate, backend: Backends) -> None:
    answers = threading.Event()

    def wait(connection: Connection) -> None:
        while request := connection.read_request():
            made.saw(request)
            answers.wait(10)
            connection.answer("late")

    made = backend(wait)
    proxy = tidegate.run(retrying([made.address], {**ANY, "per_try": "1ms"}))
    with proxy.connect() as client:
        client.send(post("/", b"hello"))
        made.wait_for(lambda it: it.requests)
        with proxy.connect() as another:  # a GET that outlasts its tries has the last one all the same
            another.send(get())
            made.wait_for(lambda it: len(it.requests) >= 4)
            answers.set()
            assert another.read_answer().body == b"late"
        assert client.read_answer().body == b"late"
    assert [request.line.split()[0] for request in made.requests].count("POST") == 1


@pytest.mark.parametrize("how", ["dies in its head", "dies in its body"])
def test_an_answer_that_had_begun_is_not_asked_for_again(tidegate: Tidegate, kinds: Kinds, how: str) -> None:
    bad = kinds.failing(how)
    proxy = tidegate.run(retrying([bad.address], ANY))
    with proxy.connect() as client:
        client.send(get())
        if how == "dies in its head":
            assert client.read_answer().status == 502
        else:
            with pytest.raises((EOFError, OSError)):
                client.read_answer()
    assert len(bad.requests) == 1


def test_a_body_over_the_limit_is_sent_once(tidegate: Tidegate, kinds: Kinds) -> None:
    bad, good = kinds.failing("resets"), kinds.well()
    proxy = tidegate.run({**retrying([bad.address, good.address], {"body": "64KiB"}), "threads": 1})
    large = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000
    seen = statuses(proxy, 10, large)
    assert sorted(set(seen)) == [200, 502]
    assert len(bad.requests) + len(good.requests) == 10


def test_each_try_is_told(tidegate: Tidegate, kinds: Kinds, tmp_path: Path) -> None:
    bad, good, log = kinds.failing("answers 503"), kinds.well(), tmp_path / "access.log"
    config = retrying([bad.address, good.address], {"on": [503]})
    proxy = tidegate.run({**config, "threads": 1, "access_log": {"to": str(log)}, "admin": {"bind": "127.0.0.1:0"}})
    assert statuses(proxy, 4, get()) == [200] * 4

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    until(lambda: len(lines()) == 4)
    twice = [line for line in lines() if "tries" in line]
    assert len(twice) == len(bad.requests) > 0
    for line in twice:
        first, second = line["tries"].split(", ")
        assert first.startswith(f"{bad.address} 503 0.")
        assert second.startswith(f"{good.address} 200 0.")
        assert line["attempts"] == 2
    metrics = scrape(proxy)
    assert f'tidegate_retries_total{{upstream="api",reason="status"}} {len(twice)}\n' in metrics
    assert 'tidegate_retries_refused_total{upstream="api"} 0\n' in metrics


def test_a_storm_is_bounded_by_the_budget(tidegate: Tidegate, backend: Backends, load: Load) -> None:
    def refuse(connection: Connection) -> None:
        while request := connection.read_request():
            made.saw(request)
            connection.answer("busy", "503 Service Unavailable")

    made = backend(refuse)
    config = retrying([made.address], {"attempts": 10, "on": [503], "back_off": {"base": "50ms", "most": "50ms"}})
    config["upstreams"]["api"]["retry_budget"] = {"share": "10%", "least": 1}
    proxy = tidegate.run({**config, "admin": {"bind": "127.0.0.1:0"}})
    with load.steady(proxy.url, connections=20) as seen:
        until(lambda: len(seen.failures) >= 400, within_s=30)
    asked, sent = len(seen.failures), len(made.requests)
    assert asked <= sent < asked * 1.5, (asked, sent)  # ten tries each without it
    refused = next(line for line in scrape(proxy).splitlines() if 'refused_total{upstream="api"}' in line)
    assert int(refused.rsplit(" ", 1)[1]) > asked / 2


def test_a_client_that_leaves_in_a_pause_ends_it(tidegate: Tidegate, kinds: Kinds, tmp_path: Path) -> None:
    bad, log = kinds.failing("resets"), tmp_path / "access.log"
    retry = {"back_off": {"base": "30s", "most": "30s"}}
    config = retrying([bad.address], retry, timeouts={"response": "1h"})
    proxy = tidegate.run({**config, "access_log": {"to": str(log)}})
    with proxy.connect() as client:
        client.send(get())
        bad.wait_for(lambda it: it.requests)
        client.reset()
    until(lambda: log.exists() and log.read_text())
    line = json.loads(log.read_text())
    assert (line["failure"], line["status"], len(bad.requests)) == ("client_gone", 0, 1)


ANSWER = """
import socket, sys, threading
def serve(connection):
    unread = b""
    while data := connection.recv(65536):
        unread += data
        while b"\\r\\n\\r\\n" in unread:
            unread = unread.partition(b"\\r\\n\\r\\n")[2]
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
listening = socket.socket(fileno=int(sys.argv[1]))
while True:
    threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()
"""


class Mortal:
    """An endpoint that can be killed with all of its connections, while its address stays and the next one lives."""

    def __init__(self) -> None:
        self.listening = listen()
        self.address = address_of(self.listening)
        self.processes = [self._start()]

    def _start(self) -> subprocess.Popen[bytes]:
        number = self.listening.fileno()
        return subprocess.Popen([sys.executable, "-S", "-c", ANSWER, str(number)], pass_fds=[number])

    def kill(self) -> None:
        """SIGKILL, and another one in its place."""
        self.processes.append(self._start())
        self.processes[-2].kill()

    def end(self) -> None:
        """End all of them."""
        for each in self.processes:
            each.kill()
            each.wait()
        self.listening.close()


def test_no_get_fails_while_endpoints_are_killed(tidegate: Tidegate, load: Load) -> None:
    mortals = [Mortal() for _ in range(3)]
    config = retrying([each.address for each in mortals], {"attempts": 5, "on": ["reset"]})
    config["upstreams"]["api"]["retry_budget"] = {"share": "100%"}
    try:
        with load.steady(tidegate.run(config).url, connections=16) as seen:
            for number in range(60):
                seen.wait_for(25)
                mortals[number % 3].kill()
        assert seen.failures == []
    finally:
        for each in mortals:
            each.end()
