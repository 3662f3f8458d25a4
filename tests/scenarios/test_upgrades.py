"""Upgrades with a package that is really replaced on disk: who serves, what is told, and what clients see of it."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.peers.backend import Backend, Connection
from tests.peers.installed import Installed
from tests.peers.load import Load
from tests.peers.messages import get, post
from tests.peers.sockets import Client
from tests.peers.tidegate import Running, Tidegate, upstream
from tests.peers.waiting import until
from tests.peers.websocket_server import WebSocketServer

Backends = Callable[..., Backend]
SUPERVISOR = "os.kill(os.getppid(), signal.SIGKILL)"


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    """Version 1.0.0 on disk."""
    return Installed(tmp_path)


def test_the_program_on_disk_takes_over(tidegate: Tidegate, installed: Installed, backend: Backends) -> None:
    proxy = installed.run(tidegate, upstream(backend().address))
    pid, before = proxy.supervisor.pid, proxy.status()
    assert before["version"] == before["worker"]["version"] == "1.0.0"
    with proxy.connect() as kept:
        assert kept.ask(get()).field("connection") is None
        installed.install("2.0.0")
        done = proxy.call("upgrade")
        assert (done.returncode, done.stdout.splitlines()[0]) == (
            0,
            f"tidegate 2.0.0 serves: generation 3, worker {proxy.worker_pid}",
        )
        after = proxy.status()
        assert after["version"] == after["worker"]["version"] == "2.0.0"
        assert after["supervisor"] == {"pid": pid, "since": before["supervisor"]["since"]}
        assert after["worker"]["pid"] == proxy.worker_pid != before["worker"]["pid"]
        (elder,) = after["older"]
        assert (elder["pid"], elder["version"], elder["connections"]) == (before["worker"]["pid"], "1.0.0", 1)
        assert "of before  generation 1  version 1.0.0  1 connection" in proxy.call("status").stdout
        assert kept.ask(get()).field("connection") == "close"  # it was served, and comes anew
    until(lambda: installed.workers() == {proxy.worker_pid})
    assert proxy.status()["older"] == []
    with proxy.connect() as client:
        assert client.ask(get()).status == 200
    assert proxy.stop() == 0
    assert installed.workers() == set()


BROKEN = {
    "syntax": ({"supervisor/instance.py": ('"""The life', "(")}, "SyntaxError"),
    "import": ({"supervisor/reload.py": ("import time", "import no_such_module")}, "No module named 'no_such_module'"),
    "refuses": (
        {
            "config/settings.py": ('raise refused(f"must be from 1', "pass  #"),
            "config/listener.py": ("bind:", "binds:"),
        },
        "unknown key `bind`",
    ),
    "format": (
        {"supervisor/handover.py": ("FORMAT = 1", "FORMAT = 2")},
        "hands over in format 1, and this one takes 2",
    ),
    "hangs": (
        {"supervisor/successor.py": ("    sources = Sources(", "    time.sleep(600)\n    sources = Sources(")},
        "within 3 s",
    ),
    "worker": ({"supervisor/worker.py": ('f"_engine.work({descriptor})', 'f"1 / 0')}, "ZeroDivisionError"),
    "killed": (
        {"supervisor/successor.py": ("    sources = Sources(", "    os.kill(os.getpid(), 9)\n    sources = Sources(")},
        "signal 9",
    ),
    "protocol": ({"supervisor/passport.py": ("PROTOCOL = 1", "PROTOCOL = 7")}, "protocol 7 is not spoken here"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_program_that_does_not_serve_changes_nothing(
    tidegate: Tidegate, installed: Installed, backend: Backends, load: Load, how: str
) -> None:
    edits, says = BROKEN[how]
    proxy = installed.run(
        tidegate, upstream(backend().address) | {"upgrade": {"ready": "3s" if how == "hangs" else "60s"}}
    )
    worker = proxy.worker_pid
    with load.steady(f"{proxy.url}/a", connections=4) as seen:
        installed.install("2.0.0", edits)
        done = proxy.call("upgrade")
        assert (done.returncode, says in done.stderr) == (1, True), done.stderr
        seen.wait_for(50)
        status = proxy.status()
        assert (status["version"], status["worker"]["pid"], proxy.worker_pid) == ("1.0.0", worker, worker)
        until(lambda: installed.workers() == {worker})
        installed.install("2.0.1")
        assert proxy.call("upgrade").returncode == 0
        seen.wait_for(50)
        assert proxy.status()["version"] == "2.0.1"
    assert seen.failures == []


STAGES = {
    "before its worker": ("supervisor/successor.py", "    worker = Worker.start(", SUPERVISOR),
    "its worker started": ("supervisor/successor.py", "        await worker.connect(", SUPERVISOR),
    "its worker serves": ("supervisor/successor.py", "        await worker.give_streams(", SUPERVISOR),
    "written down": ("supervisor/successor.py", '    log.info(f"the worker with pid', SUPERVISOR),
    "executed": ("supervisor/belongings.py", "    state = State(Path(handover.folder), handover.lock)", "TAKES_OVER"),
    "adopted": ("supervisor/instance.py", "        await self.sources.look_up_new(self.snapshots.config)", "GIVEN"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_supervisor_killed_on_the_way_leaves_what_the_next_one_adopts(
    tidegate: Tidegate, installed: Installed, backend: Backends, load: Load, stage: str
) -> None:
    name, before, kill = STAGES[stage]
    indent = before[: len(before) - len(before.lstrip())]
    kill = {
        SUPERVISOR: f"import signal; {SUPERVISOR}; time.sleep(60)",
        "TAKES_OVER": "import os; handover.role == 'take over' and os.kill(os.getpid(), 9)",
        "GIVEN": "self.given and os.kill(os.getpid(), 9)",
    }[kill]
    proxy = installed.run(tidegate, upstream(backend().address))
    with load.steady(f"{proxy.url}/a", connections=4) as seen:
        installed.install("2.0.0", {name: (before, f"{indent}{kill}\n{before}")})
        assert proxy.call("upgrade").returncode == 3  # whoever would answer is gone
        proxy.supervisor.wait()
        seen.wait_for(50)
        installed.install("2.0.1")
        proxy.start()
        seen.wait_for(50)
        assert proxy.status()["version"] == "2.0.1"
    until(lambda: installed.workers() == {proxy.worker_pid})
    assert seen.failures == []


def test_where_the_interpreter_cannot_be_executed_the_new_worker_serves_under_the_old_supervisor(
    tidegate: Tidegate, installed: Installed, backend: Backends, load: Load
) -> None:
    proxy = installed.run(tidegate, upstream(backend().address))
    before = proxy.worker_pid
    with load.steady(f"{proxy.url}/a", connections=4) as seen:
        gone = "    sys.executable = '/no/such/python'\n    packed = handover.pack()"
        installed.install("2.0.0", {"supervisor/upgrade.py": ("    packed = handover.pack()", gone)})
        assert proxy.call("upgrade").returncode == 0  # the version that cannot is the one that runs now
        done = proxy.call("upgrade")
        assert (done.returncode, "/no/such/python cannot be executed" in done.stderr) == (1, True)
        assert "the new worker serves under the supervisor of before" in done.stderr
        proxy.supervisor.wait_for_line("asked for during an upgrade")
        seen.wait_for(50)
        assert proxy.status()["worker"]["pid"] == proxy.worker_pid != before
        until(lambda: installed.workers() == {proxy.worker_pid})
        os.kill(proxy.worker_pid, signal.SIGSTOP)
        os.kill(proxy.worker_pid, signal.SIGCONT)
        proxy.reload()
    assert seen.failures == []


HANGS = {"supervisor/successor.py": ("    sources = Sources(", "    time.sleep(600)\n    sources = Sources(")}


def test_one_thing_at_a_time(tidegate: Tidegate, installed: Installed, backend: Backends) -> None:
    proxy = installed.run(tidegate, upstream(backend().address) | {"upgrade": {"ready": "5s"}})
    installed.install("2.0.0", HANGS)
    proxy.supervisor.send(signal.SIGUSR2)
    proxy.supervisor.wait_for_line("is tried")
    for words in (("upgrade",), ("reload",), ("endpoints", "drain", "api", "127.0.0.1:1")):
        done = proxy.call(*words)
        assert (done.returncode, "an upgrade is under way" in done.stderr) == (1, True), done.stderr
    proxy.supervisor.send(signal.SIGHUP)
    proxy.supervisor.wait_for_line("reload .SIGHUP.: an upgrade is under way; then it is done")
    proxy.supervisor.wait_for_line("did not serve within 5 s")
    proxy.supervisor.wait_for_line("snapshot 2 is served")
    assert proxy.status()["version"] == "1.0.0"


def test_what_was_asked_for_meanwhile_is_done_by_the_new_program(
    tidegate: Tidegate, installed: Installed, backend: Backends
) -> None:
    proxy = installed.run(tidegate, upstream(backend().address) | {"access_log": {"to": "access.log"}})
    goes_on = proxy.folder / "go on"
    waits = f"    while not os.path.exists({str(goes_on)!r}):\n        time.sleep(0.02)\n    sources = Sources("
    installed.install("2.0.0", {"supervisor/successor.py": ("    sources = Sources(", waits)})
    proxy.supervisor.send(signal.SIGUSR2)
    proxy.supervisor.wait_for_line("is tried")
    log = proxy.folder / "access.log"
    log.rename(proxy.folder / "rotated.log")
    proxy.supervisor.send(signal.SIGUSR1)
    proxy.supervisor.send(signal.SIGHUP)
    proxy.supervisor.wait_for_line("then it is done")
    proxy.supervisor.wait_for_line("logs were reopened")
    after = len(proxy.supervisor.lines)
    goes_on.touch()
    proxy.supervisor.wait_for_line("ready", after=after)
    proxy.supervisor.wait_for_line("logs were reopened", after=after)
    proxy.supervisor.wait_for_line("asked for during an upgrade.: snapshot", after=after)
    with proxy.connect() as client:
        assert client.ask(get("/seen")).status == 200
    until(lambda: "/seen" in log.read_text())


HANGS_AT = {
    "before its worker": HANGS,
    "its worker serves": {
        "supervisor/successor.py": (
            "        await worker.give_streams(",
            "        ours.state.write('serves', {}) or time.sleep(600)\n        await worker.give_streams(",
        )
    },
}


@pytest.mark.parametrize("stage", HANGS_AT)
def test_told_to_end_during_an_upgrade_it_ends(
    tidegate: Tidegate, installed: Installed, backend: Backends, stage: str
) -> None:
    proxy = installed.run(tidegate, upstream(backend().address))
    installed.install("2.0.0", HANGS_AT[stage])
    proxy.supervisor.send(signal.SIGUSR2)
    proxy.supervisor.wait_for_line("is tried")
    if stage == "its worker serves":
        until((proxy.state / "serves").exists)
    assert proxy.stop() == 0
    proxy.supervisor.wait_for_line("the instance was told to end")
    assert installed.workers() == set()


def open_tunnel(proxy: Running) -> "object":
    """A WebSocket through Tidegate."""
    return connect(f"ws://{proxy.address()}/ws", proxy=None, compression=None)


def test_of_too_many_old_workers_the_oldest_ends(tidegate: Tidegate, installed: Installed) -> None:
    with WebSocketServer() as server, ExitStack() as open_ones:
        proxy = installed.run(tidegate, upstream(server.address) | {"upgrade": {"generations": 2}})
        tunnels = []
        for _ in range(3):
            tunnels.append(open_ones.enter_context(connect(f"ws://{proxy.address()}/ws", proxy=None, compression=None)))
            assert proxy.call("upgrade").returncode == 0
        proxy.supervisor.wait_for_line("ends before its time: `upgrade.generations` keeps 2 old ones")
        until(lambda: len(installed.workers()) == 3)
        for tunnel in tunnels[1:]:
            tunnel.send("still here")
            assert tunnel.recv(10) == "still here"
        with pytest.raises(Exception, match="no close frame"):
            tunnels[0].recv(10)


def test_old_workers_without_connections_end_before_one_that_has_some(tidegate: Tidegate, installed: Installed) -> None:
    with WebSocketServer() as server:
        proxy = installed.run(tidegate, upstream(server.address) | {"upgrade": {"generations": 2}})
        with connect(f"ws://{proxy.address()}/ws", proxy=None, compression=None) as tunnel:
            for number in range(5):
                assert proxy.call("upgrade").returncode == 0
                tunnel.send(f"after {number}")
                assert tunnel.recv(10) == f"after {number}"
            until(lambda: len(installed.workers()) == 2)
            proxy.supervisor.wait_for_line("it has no connections, and `upgrade.generations` keeps 2 old ones")
        until(lambda: installed.workers() == {proxy.worker_pid})


@pytest.fixture
def origin(backend: Backends) -> Backend:
    """Answers; of `/long` it sends a part whenever the test says so."""

    def serve(connection: Connection) -> None:
        while request := connection.read_request():
            if "/long" not in request.line:
                connection.answer()
                continue
            connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {PART * PARTS}\r\n\r\n")
            for number in range(PARTS):
                parts.acquire()
                connection.send(bytes([number]) * PART)

    parts = threading.Semaphore(0)
    made = backend(serve)
    made.next_part = parts.release  # type: ignore[attr-defined]
    return made


PART, PARTS = 10_000, 21


@pytest.mark.timeout(400)
def test_twenty_upgrades_lose_no_request_and_touch_no_download_and_no_tunnel(
    tidegate: Tidegate, installed: Installed, origin: Backend, load: Load
) -> None:
    with WebSocketServer() as server, ExitStack() as open_ones:
        config = upstream(origin.address) | {"upgrade": {"generations": 30}}
        config["routes"] += [{"match": {"path": "/ws"}, "to": "sockets"}]
        config["upstreams"]["sockets"] = {"endpoints": [server.address]}
        proxy = installed.run(tidegate, config)
        pid = proxy.supervisor.pid
        tunnel = open_ones.enter_context(connect(f"ws://{proxy.address()}/ws", proxy=None, compression=None))
        download = open_ones.enter_context(Client(proxy.address()))
        download.send(get("/long"))
        assert download.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        kinds = [(get, 0), (get, 1), (lambda path: post(path, b"x" * 5000), 0)]
        seen = [
            open_ones.enter_context(
                load.steady(f"{proxy.url}/a", connections=2, request=request, requests_per_connection=most)
            )
            for request, most in kinds
        ]
        counts = []
        for number in range(20):
            installed.install(f"2.0.{number}")
            assert proxy.call("upgrade", within_s=60).returncode == 0
            for each in seen:
                each.wait_for(3)
            origin.next_part()  # type: ignore[attr-defined]
            assert download.read_exactly(PART) == bytes([number]) * PART
            tunnel.send(f"after {number}")
            assert tunnel.recv(10) == f"after {number}"
            # An old worker, which stays as long as one before it does, is a pidfd and a socket.
            counts.append(len(os.listdir(f"/proc/{pid}/fd")) - 2 * len(proxy.status()["older"]))
        assert [each.failures for each in seen] == [[]] * len(kinds)
        assert (proxy.supervisor.pid, proxy.status()["version"]) == (pid, "2.0.19")
        assert proxy.supervisor.popen.poll() is None
        assert counts[-1] <= counts[2] + 2  # an old worker more or less
        origin.next_part()  # type: ignore[attr-defined]
        assert download.read_exactly(PART) == bytes([20]) * PART
    until(lambda: installed.workers() == {proxy.worker_pid})
