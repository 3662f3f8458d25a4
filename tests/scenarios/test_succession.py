"""What the new worker knows after an upgrade, and what it does with the one whose place it takes."""

import itertools
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.sync.client import connect

from tests.peers.backend import Backend
from tests.peers.datagrams import Sender, Server, datagrams
from tests.peers.installed import Installed
from tests.peers.load import Load
from tests.peers.messages import get
from tests.peers.sockets import answered
from tests.peers.tidegate import Config, Running, Tidegate, upstream
from tests.peers.waiting import until
from tests.peers.websocket_server import WebSocketServer
from tests.scenarios.test_health import Moody as Checked
from tests.scenarios.test_health import checked, names, standings
from tests.scenarios.test_outliers import Moody, ask, outliers, told, watched
from tests.scenarios.test_pools import Gated, pooled
from tests.telling.asking import metric

ADMIN = {"admin": {"bind": "127.0.0.1:0"}}


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    """Version 1.0.0 on disk."""
    return Installed(tmp_path)


def upgrade(proxy: Running) -> None:
    """Have what is on disk take over."""
    done = proxy.call("upgrade", within_s=60)
    assert done.returncode == 0, done.stderr


def counters(proxy: Running) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of `/metrics` that only rises, but for what the kernel says of the process."""
    with proxy.connect("admin") as client:
        text = client.ask(f"GET /metrics HTTP/1.1\r\nHost: {proxy.address('admin')}\r\n\r\n").body.decode()
    return {
        (sample.name, tuple(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        if family.type in ("counter", "histogram") and not family.name.startswith("process_")
        for sample in family.samples
    }


def test_an_ejected_endpoint_stays_ejected_and_its_history_goes_on(tidegate: Tidegate, installed: Installed) -> None:
    backends = [Moody("a"), Moody("b")]
    outlier = {"ejection_time": "20s", "most_ejection_time": "60s"}
    proxy = installed.run(tidegate, watched(backends, outlier))
    backends[1].mood = "500"
    ask(proxy, 20)
    until(lambda: outliers(proxy) == ["in", "out"])
    before = told(proxy)["endpoints"][1]
    upgrade(proxy)
    after = told(proxy)["endpoints"][1]
    assert after["outlier"] == "out"
    assert after["reason"] == before["reason"] != ""
    assert abs(after["until"] - before["until"]) < 1
    assert abs(after["since"] - before["since"]) < 1
    assert [(each["to"], each["reason"]) for each in after["history"]] == [
        (each["to"], each["reason"]) for each in before["history"]
    ]
    asked = backends[1].asked
    assert ask(proxy, 10) == {"a": 10}
    assert backends[1].asked == asked
    said = [line for line in proxy.supervisor.lines if f"{backends[1].address} is ejected" in line]
    assert len(said) == 1, "what an earlier worker has said is not said again"


def test_one_that_checks_found_down_is_down_from_the_first_request_and_comes_back(
    tidegate: Tidegate, installed: Installed
) -> None:
    one, two = Checked("one"), Checked("two")
    proxy = installed.run(tidegate, checked([one.address, two.address], {"rise": 2, "fall": 3}))
    two.health = "503 Service Unavailable"
    until(lambda: standings(proxy) == ["in", "down"])
    upgrade(proxy)
    assert names(proxy) == {"one"}
    assert standings(proxy)[1] == "down"
    two.health = "200 OK"
    until(lambda: standings(proxy) == ["in", "in"])
    proxy.supervisor.wait_for_line(f"upstream api: {two.address} is up: 2 checks in a row passed")


def test_the_old_worker_checks_no_more(tidegate: Tidegate, installed: Installed) -> None:
    with WebSocketServer() as server:
        backend = Checked("one")
        config = checked([backend.address])
        config["routes"] += [{"match": {"path": "/ws"}, "to": "sockets"}]
        config["upstreams"]["sockets"] = {"endpoints": [server.address]}
        proxy = installed.run(tidegate, config)
        with connect(f"ws://{proxy.address()}/ws", proxy=None, compression=None) as tunnel:
            upgrade(proxy)
            os.kill(proxy.worker_pid, signal.SIGSTOP)  # now only the old one could check
            try:
                checks, quiet = backend.checks, threading.Event()
                quiet.wait(1)  # five times the interval
                assert backend.checks <= checks + 1, "one may have been on its way"
                tunnel.send("the old one serves")
                assert tunnel.recv(10) == "the old one serves"
            finally:
                os.kill(proxy.worker_pid, signal.SIGCONT)


def test_counters_go_on_and_none_ever_goes_back(
    tidegate: Tidegate, installed: Installed, load: Load, tmp_path: Path
) -> None:
    backend = Backend()
    config = {**upstream(backend.address), **ADMIN, "access_log": {"to": str(tmp_path / "access.log")}}
    proxy = installed.run(tidegate, config)
    seen: list[dict[Any, float]] = [counters(proxy)]
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            seen.append(counters(proxy))

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    with load.steady(f"{proxy.url}/a", connections=4) as loaded:
        for number in range(3):
            loaded.wait_for(50)
            installed.install(f"2.0.{number}")
            upgrade(proxy)
        loaded.wait_for(50)
    over.set()
    watching.join()
    until(lambda: installed.workers() == {proxy.worker_pid})  # then the old ones have told the last
    seen.append(counters(proxy))
    for before, after in itertools.pairwise(seen):
        back = {key: (value, after.get(key)) for key, value in before.items() if after.get(key, -1) < value}
        assert not back
    assert loaded.failures == []
    assert seen[-1]["tidegate_requests_total", (("route", "all"), ("status", "2xx"))] == loaded.successes
    assert metric(proxy, "tidegate_request_duration_seconds_count", route="all") == loaded.successes
    assert metric(proxy, "tidegate_connections_open", listener="web") == 0
    backend.end()


def test_a_program_that_did_not_take_over_leaves_counters_as_they_were(
    tidegate: Tidegate, installed: Installed, load: Load
) -> None:
    backend = Backend()
    proxy = installed.run(tidegate, {**upstream(backend.address), **ADMIN})
    fails = "        raise WorkerRefused('it is told to')\n        await worker.give_streams("
    with load.steady(f"{proxy.url}/a", connections=2) as seen:
        seen.wait_for(20)
        installed.install("2.0.0", {"supervisor/successor.py": ("        await worker.give_streams(", fails)})
        assert proxy.call("upgrade").returncode == 1
        seen.wait_for(20)
        installed.install("2.0.1")
        upgrade(proxy)
        seen.wait_for(20)
    assert seen.failures == []
    assert metric(proxy, "tidegate_requests_total", route="all", status="2xx") >= 40
    backend.end()


def test_a_limit_of_a_listener_holds_over_both_workers(tidegate: Tidegate, installed: Installed) -> None:
    backend = Backend()
    proxy = installed.run(tidegate, upstream(backend.address, limits={"connections": 3}))
    with ExitStack() as stack:
        old = [stack.enter_context(proxy.connect()) for _ in range(3)]
        assert [each.ask(get()).status for each in old] == [200] * 3
        upgrade(proxy)
        late = [stack.enter_context(proxy.connect()).send(get()) for _ in range(2)]
        assert answered(late, 0) == []
        assert old[0].ask(get()).field("connection") == "close"
        [first] = answered(late, 1)
        assert answered([each for each in late if each is not first], 0) == []
    backend.end()


def test_so_does_one_of_a_client(tidegate: Tidegate, installed: Installed) -> None:
    backend = Backend()
    proxy = installed.run(tidegate, upstream(backend.address, limits={"connections_per_client": 1}))
    with proxy.connect() as old:
        assert old.ask(get()).status == 200
        upgrade(proxy)
        with proxy.connect() as second:
            assert second.ask(get()).status == 429
        assert old.ask(get()).field("connection") == "close"

    def is_served() -> bool:
        with proxy.connect() as client:
            return bool(client.ask(get()).status == 200)

    until(is_served)
    backend.end()


def test_and_the_bound_of_a_pool(tidegate: Tidegate, installed: Installed) -> None:
    gated = Gated()
    backend = Backend(gated)
    proxy = installed.run(tidegate, pooled(backend.address, connections=1, queue=5, wait="20s"))
    with ExitStack() as stack:
        old = stack.enter_context(proxy.connect()).send(get())
        gated.wait_busy(1)
        upgrade(proxy)
        new = stack.enter_context(proxy.connect()).send(get())
        assert answered([new], 0) == []
        gated.open.release(2)
        assert [old.read_answer().status, new.read_answer().status] == [200, 200]
    assert gated.most == 1
    backend.end()


@pytest.fixture
def echo() -> Iterator[Server]:
    """Answers datagrams with `x` and what came."""
    made = Server("x")
    yield made
    made.end()


def flowing(echo: Server, **udp: Any) -> Config:
    """Datagrams to the echo."""
    return {**datagrams(echo.address, udp=udp), **ADMIN, "upgrade": {"generations": 10}}


class Askers:
    """Clients that ask the echo again and again, until the block ends; each answer must come, and be its own."""

    def __init__(self, proxy: Running, count: int) -> None:
        self.proxy, self.over = proxy, threading.Event()
        self.asked = [0] * count
        self.lost: list[tuple[bytes, bytes]] = []
        self.threads = [threading.Thread(target=self._ask, args=(which,), daemon=True) for which in range(count)]

    def __enter__(self) -> "Askers":
        for each in self.threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for each in self.threads:
            each.join()

    def wait_for(self, more: int) -> None:
        """Wait until each has had so many more answers, or one was lost."""
        goal = [count + more for count in self.asked]
        until(lambda: self.lost or all(count >= least for count, least in zip(self.asked, goal, strict=True)))

    def _ask(self, which: int) -> None:
        with Sender(self.proxy.address()) as client:
            while not self.over.wait(0.002):  # without it more would be lost to the kernel's buffers, not to us
                word = b"%d of %d" % (self.asked[which], which)
                try:
                    answer = client.ask(word)
                except TimeoutError:
                    answer = b""
                if answer != b"x" + word:
                    self.lost.append((word, answer))
                    return
                self.asked[which] += 1


def test_sessions_of_datagrams_stay_with_the_old_worker_until_they_end(
    tidegate: Tidegate, installed: Installed, echo: Server
) -> None:
    proxy = installed.run(tidegate, flowing(echo, idle="3s"))
    with Askers(proxy, 8) as askers:
        for number in range(2):
            askers.wait_for(20)
            installed.install(f"2.0.{number}")
            upgrade(proxy)
        askers.wait_for(20)
        with Sender(proxy.address()) as new:
            assert new.ask(b"new") == b"xnew"
        assert len(echo.ports) == 9, "each client of before has its one port at the endpoint"
        assert len(installed.workers()) == 3
    assert askers.lost == []
    until(lambda: installed.workers() == {proxy.worker_pid})  # they have been quiet
    with Sender(proxy.address()) as new:
        assert new.ask(b"new") == b"xnew"
    assert metric(proxy, "tidegate_datagrams_received_total", listener="web") == sum(askers.asked) + 2


@pytest.mark.parametrize("udp", [{}, {"responses": 1}, {"requests": 3}], ids=str)
def test_no_datagram_is_lost_over_upgrades(
    tidegate: Tidegate, installed: Installed, echo: Server, udp: dict[str, Any]
) -> None:
    proxy = installed.run(tidegate, flowing(echo, idle="1s", **udp))
    with Askers(proxy, 8) as askers:
        for number in range(4):
            askers.wait_for(20)
            installed.install(f"2.0.{number}")
            upgrade(proxy)
        askers.wait_for(20)
    assert askers.lost == []
    until(lambda: installed.workers() == {proxy.worker_pid})
    assert metric(proxy, "tidegate_datagrams_received_total", listener="web") == sum(askers.asked)


def test_where_the_new_program_does_not_take_over_the_old_worker_reads_again(
    tidegate: Tidegate, installed: Installed, echo: Server
) -> None:
    proxy = installed.run(tidegate, flowing(echo))
    fails = "        raise WorkerRefused('it is told to')\n        await worker.give_streams("
    installed.install("2.0.0", {"supervisor/successor.py": ("        await worker.give_streams(", fails)})
    with Sender(proxy.address()) as client:
        assert client.ask(b"1") == b"x1"
        for _ in range(2):
            assert proxy.call("upgrade").returncode == 1
            assert [client.ask(b"%d" % number) for number in range(20)] == [b"x%d" % number for number in range(20)]
    assert len(installed.workers()) == 1
