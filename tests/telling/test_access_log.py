"""The access log: a line for each exchange, whatever becomes of the file or the pipe that it goes to."""

import json
import os
import resource
import select
import signal
from pathlib import Path

import pytest

from tests.peers.backend import Connection
from tests.peers.process import Process
from tests.peers.sockets import closed_port
from tests.peers.tidegate import COMMAND, Tidegate, read_ready
from tests.peers.waiting import until
from tests.telling.asking import Backends, ask, ask_many, lines, logged, metric, paths


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
    assert metric(running, "tidegate_log_lines_dropped_total", log="access", reason="full") == 0


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
    while metric(running, "tidegate_log_lines_dropped_total", log="access", reason="full") == 0:
        ask_many(running, asked, asked + 200, padding)
        asked += 200
        assert asked < 3000

    text = b""
    while text.count(b"\n") < asked - metric(running, "tidegate_log_lines_dropped_total", log="access", reason="full"):
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
