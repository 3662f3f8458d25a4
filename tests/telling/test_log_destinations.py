"""Where the access log may go beside files and pipes: syslog servers and Unix sockets, well and gone."""

import json
import re
import signal
import socket
from pathlib import Path

import pytest

from tests.peers.sockets import address_of
from tests.peers.tidegate import Running, Tidegate
from tests.peers.waiting import until
from tests.telling.asking import Backends, ask_many, datagrams, logged, metric

MESSAGE = re.compile(
    r"<(?P<priority>\d+)>1 (?P<time>\S+Z) (?P<host>\S+) (?P<app>\S+) (?P<pid>\d+) access - (?P<says>.*)", re.DOTALL
)
"""RFC 5424, section 6, with the MSGID of ours and no structured data."""


def dropped(running: Running) -> float:
    """Lines of the access log that were dropped."""
    reasons = ("full", "refused", "torn")
    return sum(metric(running, "tidegate_log_lines_dropped_total", log="access", reason=each) for each in reasons)


def receive(receiver: socket.socket, count: int) -> list[str]:
    """So many datagrams."""
    return [receiver.recv(1 << 16).decode() for _ in range(count)]


def receive_until(receiver: socket.socket, path: str) -> list[str]:
    """The paths of the lines that come as datagrams, up to this one."""
    seen: list[str] = []
    while path not in seen:
        seen.append(json.loads(receiver.recv(1 << 16))["path"])
    return seen


def test_a_syslog_server_gets_a_datagram_for_each_line(tidegate: Tidegate, backend: Backends) -> None:
    with datagrams(("127.0.0.1", 0)) as server:
        syslog = {"facility": "daemon", "severity": "notice", "app": "edge"}
        running = tidegate.run(logged(backend().address, f"syslog:{address_of(server)}", syslog=syslog))
        ask_many(running, 0, 20)
        messages = [MESSAGE.fullmatch(each) for each in receive(server, 20)]
    found = [message for message in messages if message]
    assert len(found) == 20
    assert {(each["priority"], each["app"], each["pid"]) for each in found} == {("29", "edge", str(running.worker_pid))}
    assert [json.loads(each["says"])["path"] for each in found] == [f"/{number}" for number in range(20)]
    assert dropped(running) == 0


def test_a_syslog_server_that_was_away_gets_the_lines_that_waited(tidegate: Tidegate, backend: Backends) -> None:
    with datagrams(("127.0.0.1", 0)) as server:
        at = server.getsockname()
        running = tidegate.run(logged(backend().address, f"syslog:{address_of(server)}"))
        ask_many(running, 0, 1)
        receive(server, 1)
    ask_many(running, 1, 50)
    running.supervisor.wait_for_line(r"cannot write the access log to 127\.0\.0\.1:\d+ \(UDP\): Connection refused")
    with datagrams(at) as server:
        ask_many(running, 50, 60)
        seen: list[str] = []
        while "/59" not in seen:
            message = MESSAGE.fullmatch(server.recv(1 << 16).decode())
            assert message
            seen.append(json.loads(message["says"])["path"])
    # A datagram that was sent before the kernel said that nobody is there is lost, one for each try.
    assert len(seen) >= 45
    assert seen == [f"/{number}" for number in range(60) if f"/{number}" in seen]
    told = [line for line in running.supervisor.lines if "cannot write the access log" in line]
    assert len(told) == 1


def test_syslog_over_tcp_survives_a_server_that_starts_anew(tidegate: Tidegate, backend: Backends) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        syslog = {"transport": "tcp"}
        running = tidegate.run(logged(backend().address, f"syslog:{address_of(server)}", syslog=syslog))
        seen: list[str] = []
        for first in (0, 100, 200):
            ask_many(running, first, first + 100)
            connection, _ = server.accept()
            with connection, connection.makefile("r", encoding="utf-8") as stream:
                connection.settimeout(10)
                while len(seen) < first + 100:
                    message = MESSAGE.fullmatch(stream.readline().rstrip("\n"))
                    assert message
                    seen.append(json.loads(message["says"])["path"])
    assert seen == [f"/{number}" for number in range(300)]
    assert dropped(running) == 0


def test_a_unix_socket_of_a_stream_gets_lines_as_a_file_does(
    tidegate: Tidegate, backend: Backends, tmp_path: Path
) -> None:
    path = tmp_path / "log.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        running = tidegate.run(logged(backend().address, f"unix:{path}", fields=["path", "status"]))
        ask_many(running, 0, 3)
        connection, _ = server.accept()
        with connection, connection.makefile() as stream:
            connection.settimeout(10)
            assert [stream.readline() for _ in range(3)] == [f'{{"path":"/{n}","status":200}}\n' for n in range(3)]


def test_a_unix_socket_of_datagrams_may_vanish_and_come_back(
    tidegate: Tidegate, backend: Backends, tmp_path: Path
) -> None:
    path = str(tmp_path / "log.sock")
    running = tidegate.run(logged(backend().address, f"unix:{path}"))  # it is not there yet
    ask_many(running, 0, 3)
    running.supervisor.wait_for_line("cannot write the access log to unix:.*No such file")
    for first in (3, 6):
        with datagrams(path) as receiver:
            ask_many(running, first, first + 3)
            assert receive_until(receiver, f"/{first + 2}")[-3:] == [f"/{first + n}" for n in range(3)]
        Path(path).unlink()
    assert dropped(running) == 0


@pytest.mark.timeout(120)
def test_a_receiver_that_reads_nothing_holds_nobody_up(tidegate: Tidegate, backend: Backends, tmp_path: Path) -> None:
    path = str(tmp_path / "log.sock")
    padding, asked = "x" * 12_000, 0
    with datagrams(path) as receiver:
        running = tidegate.run(logged(backend().address, f"unix:{path}"))
        while dropped(running) == 0:
            ask_many(running, asked, asked + 200, padding)
            asked += 200
            assert asked < 3000
        running.supervisor.wait_for_line("cannot write the access log to unix:.*it takes nothing")
        ask_many(running, asked, asked + 1)
        seen = receive(receiver, int(asked + 1 - dropped(running)))
    numbers = [int(json.loads(each)["path"][1:]) for each in seen]
    assert numbers == sorted(numbers)


def test_a_line_that_is_longer_than_a_datagram_is_cut(tidegate: Tidegate, backend: Backends) -> None:
    with datagrams(("127.0.0.1", 0)) as server:
        running = tidegate.run(logged(backend().address, f"syslog:{address_of(server)}"))
        with running.connect() as client:
            agent = "\x80" * 15_000
            request = f"GET /long HTTP/1.1\r\nHost: a\r\nUser-Agent: {agent}\r\n\r\n"
            assert client.ask(request).status == 200
        (message,) = receive(server, 1)
    assert len(message) == 65_000
    assert "/long" in message


def test_sigusr1_connects_anew(tidegate: Tidegate, backend: Backends, tmp_path: Path) -> None:
    path = tmp_path / "log.sock"
    running = tidegate.run(logged(backend().address, f"unix:{path}"))
    with datagrams(str(path)) as old:
        ask_many(running, 0, 1)
        receive_until(old, "/0")
        path.rename(tmp_path / "old.sock")  # whoever is connected to it stays so
        with datagrams(str(path)) as new:
            running.supervisor.send(signal.SIGUSR1)
            running.supervisor.wait_for_line("logs were reopened")
            ask_many(running, 1, 2)
            assert receive_until(new, "/1") == ["/1"]


def test_a_full_device_disturbs_nothing(tidegate: Tidegate, backend: Backends) -> None:
    running = tidegate.run(logged(backend().address, "/dev/full"))
    ask_many(running, 0, 10)
    running.supervisor.wait_for_line("cannot write the access log to /dev/full: No space left")
    ask_many(running, 10, 20)
    until(lambda: metric(running, "tidegate_log_lines_written_total", log="access") == 0)
