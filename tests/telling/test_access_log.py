"""The access log: a line for each exchange, whatever becomes of the file or the pipe that it goes to."""

import json
import os
import resource
import select
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.peers.backend import Backend, Connection
from tests.peers.process import Process
from tests.peers.sockets import closed_port
from tests.peers.tidegate import COMMAND, Config, Running, Tidegate, read_ready, upstream
from tests.peers.waiting import until

Backends = Callable[..., Backend]


def logged(address: str, to: Path | str) -> Config:
    """Everything to one backend, logged, with an admin listener."""
    # One thread: lines of several stand in the order in which their buffers were handed over.
    return {
        **upstream(address),
        "threads": 1,
        "access_log": {"to": str(to), "format": "json"},
        "admin": {"bind": "127.0.0.1:0"},
    }


def ask(running: Running, path: str, *fields: str) -> int:
    """One request on a connection of its own; its status."""
    with running.connect() as client:
        head = "".join(f"{field}\r\n" for field in ("Host: example.com", "Connection: close", *fields))
        return client.ask(f"GET {path} HTTP/1.1\r\n{head}\r\n").status


def ask_many(running: Running, first: int, last: int, padding: str = "") -> None:
    """Requests for `/first` up to `/last`, one after another on one connection; all must be answered."""
    with running.connect() as client:
        for number in range(first, last):
            request = f"GET /{number} HTTP/1.1\r\nHost: example.com\r\nUser-Agent: {padding}\r\n\r\n"
            assert client.ask(request).status == 200


def lines(path: Path) -> list[dict[str, Any]]:
    """Every line of the log, each whole; what is still being written is left for the next look."""
    text = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]


def paths(path: Path) -> list[str]:
    """The paths of the log's lines."""
    return [line["path"] for line in lines(path)]


def metric(running: Running, name: str, **labels: str) -> float:
    """One sample of `/metrics`."""
    with running.connect("admin") as client:
        text = client.ask(f"GET /metrics HTTP/1.1\r\nHost: {running.address('admin')}\r\n\r\n").body.decode()
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return next(sample.value for sample in samples if sample.name == name and sample.labels == labels)


def test_a_line_tells_who_asked_for_what_and_how_it_went(tidegate: Tidegate, backend: Backends, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    address = backend().address
    running = tidegate.run(logged(address, path))
    assert ask(running, "/a?b=%22c", "User-Agent: test\x80er", "Referer: http://example.com/\t") == 200
    until(lambda: lines(path))
    (line,) = lines(path)
    expected = {
        "client": "127.0.0.1",
        "listener": "web",
        "route": "all",
        "upstream": "api",
        "endpoint": address,
        "method": "GET",
        "host": "example.com",
        "path": "/a?b=%22c",
        "version": "1.1",
        "status": 200,
        "attempts": 1,
        "reused": False,
        "user_agent": "test\x80er",
        "referer": "http://example.com/",
    }
    assert {name: line.get(name) for name in expected} == expected
    assert line["bytes_in"] > 60
    assert line["bytes_out"] > 60
    assert 0 < line["first_byte"] <= line["duration"] < 5


def test_a_failure_is_logged_with_kind_stage_and_reason(tidegate: Tidegate, tmp_path: Path) -> None:
    path, nobody = tmp_path / "access.log", closed_port()
    running = tidegate.run(logged(nobody, path))
    assert ask(running, "/") == 502
    until(lambda: lines(path))
    (line,) = lines(path)
    assert (line["failure"], line["stage"]) == ("connect_refused", "connect")
    assert nobody in line["reason"]
    assert metric(running, "tidegate_failures_total", kind="connect_refused", stage="connect") == 1


def test_a_refused_head_is_logged_as_far_as_it_was_read(tidegate: Tidegate, backend: Backends, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    running = tidegate.run(logged(backend().address, path))
    assert ask(running, "/where", "X y: z", "User-Agent: behind") == 400
    until(lambda: lines(path))
    (line,) = lines(path)
    assert (line["method"], line["path"], line["failure"]) == ("GET", "/where", "malformed_request")
    assert "user_agent" not in line


def test_a_renamed_file_is_opened_anew_on_sigusr1(tidegate: Tidegate, backend: Backends, tmp_path: Path) -> None:
    path, old = tmp_path / "access.log", tmp_path / "access.log.1"
    running = tidegate.run(logged(backend().address, path))
    ask_many(running, 0, 10)
    until(lambda: len(paths(path)) == 10)
    path.rename(old)
    running.supervisor.send(signal.SIGUSR1)
    until(path.exists)
    ask_many(running, 10, 20)
    until(lambda: len(paths(path)) == 10)
    assert paths(old) + paths(path) == [f"/{number}" for number in range(20)]


def test_a_full_disk_disturbs_nothing_and_no_line_is_torn(
    tidegate: Tidegate, backend: Backends, tmp_path: Path
) -> None:
    path = tmp_path / "access.log"
    running = tidegate.run(logged(backend().address, path))
    ask_many(running, 0, 10)
    until(lambda: len(paths(path)) == 10)
    worker = running.worker_pid
    room = path.stat().st_size + 100  # ends within a line
    soft, hard = resource.prlimit(worker, resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    ask_many(running, 10, 200)
    running.supervisor.wait_for_line("cannot write the access log")
    assert path.stat().st_size == room
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (soft, hard))
    ask_many(running, 200, 210)
    until(lambda: len(paths(path)) == 210)
    assert paths(path) == [f"/{number}" for number in range(210)]
    assert running.worker_pid == worker
    assert metric(running, "tidegate_log_lines_dropped_total", log="access") == 0


@pytest.mark.timeout(180)
def test_a_pipe_that_nobody_reads_holds_nobody_up(tidegate: Tidegate, backend: Backends, tmp_path: Path) -> None:
    pipe = tmp_path / "stdout"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)  # keeps it open, and does not read
    running = tidegate.prepare(logged(backend().address, "stdout"))
    run = [*COMMAND, "run", str(running.path), "--socket", str(running.socket)]
    running.supervisors.append(Process(["sh", "-c", 'exec "$@" > "$0"', pipe, *run]))
    running.addresses = read_ready(running.supervisor.wait_for_line(r"\bready\b"))

    padding, asked = "x" * 12_000, 0  # a line of 12 KB, so that pipe and memory are soon full
    while metric(running, "tidegate_log_lines_dropped_total", log="access") == 0:
        ask_many(running, asked, asked + 200, padding)
        asked += 200
        assert asked < 3000

    text = b""
    while text.count(b"\n") < asked - metric(running, "tidegate_log_lines_dropped_total", log="access"):
        assert select.select([reader], [], [], 10)[0], "the rest of the lines comes when there is room"
        text += os.read(reader, 1 << 20)
    os.close(reader)
    seen = [json.loads(line)["path"] for line in text.splitlines()]
    assert seen == sorted(seen, key=lambda path: int(path[1:]))


def test_a_tunnel_is_told_at_its_end_with_the_names_it_began_with(
    tidegate: Tidegate, backend: Backends, tmp_path: Path
) -> None:
    def switches(connection: Connection) -> None:
        connection.read_request()
        accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        connection.send(
            f"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{accept}\r\n\r\n"
        )
        while data := connection.socket.recv(65536):
            connection.send(data)

    path, address = tmp_path / "access.log", backend(switches).address
    running = tidegate.run(logged(address, path))
    with running.connect() as client:
        key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        upgrade = f"Connection: upgrade\r\nUpgrade: websocket\r\n{key}"
        assert client.ask(f"GET /ws HTTP/1.1\r\nHost: example.com\r\n{upgrade}\r\n").status == 101
        running.reload()
        assert client.send(b"ping").read_exactly(4) == b"ping"
    until(lambda: len(lines(path)) == 1)
    (line,) = lines(path)
    told = {name: line[name] for name in ("route", "upstream", "endpoint", "status")}
    assert told == {"route": "all", "upstream": "api", "endpoint": address, "status": 101}
    assert line["bytes_out"] > 4
