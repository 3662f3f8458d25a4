"""One of three backends is killed, stopped, slow, broken and brought back under load: failed requests are counted."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.peers.backend import Backend, Connection
from tests.peers.load import Load, Seen
from tests.peers.messages import get
from tests.peers.tidegate import Config, Running, Tidegate, upstream
from tests.peers.victim import Victim
from tests.peers.waiting import until
from tests.peers.websocket_server import WebSocketServer
from tests.scenarios.test_endpoints_live import ask
from tests.telling.asking import metric

Backends = Callable[..., Backend]
Victims = Callable[[str], Victim]

KEPT, NEW = 6, 2
"""Connections of the load: those that are kept, and those that carry one request each."""


def watched(victims: list[Victim]) -> Config:
    """Checked, judged, and tried again: what somebody sets up who wants nobody to notice."""
    config = {**upstream([each.address for each in victims]), "admin": {"bind": "127.0.0.1:0"}, "threads": 2}
    config["routes"][0]["retry"] = {"attempts": 3, "on": ["reset", "timeout", "5xx"], "per_try": "1s"}
    config["upstreams"]["api"] |= {
        "health": {"http": "/healthz", "interval": "200ms", "fast_interval": "50ms", "timeout": "300ms"},
        "outlier": {"interval": "1s", "ejection_time": "3s", "latency": {"requests": 10}},
        "retry_budget": {"share": "100%"},
    }
    return config


class Watching:
    """Load on an instance, of both kinds, and what fails of it."""

    def __init__(self, proxy: Running, load: Load, until_the_end: ExitStack) -> None:
        kinds = [(KEPT, 0), (NEW, 1)]
        self.seen: list[Seen] = [
            until_the_end.enter_context(load.steady(f"{proxy.url}/a", connections=count, requests_per_connection=most))
            for count, most in kinds
        ]

    @property
    def failures(self) -> list[str]:
        """All of them."""
        return [failure for each in self.seen for failure in each.failures]

    def goes_on(self, requests: int = 100) -> None:
        """So many more of the kept connections succeed, and some of the others."""
        self.seen[0].wait_for_successes(requests)
        self.seen[1].wait_for_successes(5)


def standing(proxy: Running, victim: Victim) -> str:
    """The victim's standing in one word."""
    endpoints: list[dict[str, Any]] = proxy.status()["upstreams"][0]["endpoints"]
    return next(str(each["standing"]) for each in endpoints if each["address"] == victim.address)


def of_endpoint(proxy: Running, what: str, victim: Victim) -> float:
    """What was counted of the victim."""
    return metric(proxy, f"tidegate_endpoint_{what}_total", upstream="api", endpoint=victim.address)


MISFORTUNES: dict[str, tuple[Callable[[Victim], None], Callable[[Victim], None], int]] = {
    "killed": (Victim.kill, Victim.start, 0),
    "stopped": (Victim.stop, Victim.go_on, 0),
    "slow": (lambda victim: victim.feel("slow"), lambda victim: victim.feel(""), 0),
    "answers 500": (lambda victim: victim.feel("500"), lambda victim: victim.feel(""), 0),
    "resets": (lambda victim: victim.feel("resets"), lambda victim: victim.feel(""), 0),
    # Answers that had begun: five until it is ejected, and what was under way then.
    "cuts answers": (lambda victim: victim.feel("cuts"), lambda victim: victim.feel(""), 5 + KEPT + NEW),
}


@pytest.mark.parametrize("misfortune", MISFORTUNES)
def test_no_request_fails_whose_answer_had_not_begun(
    tidegate: Tidegate, victim: Victims, load: Load, misfortune: str
) -> None:
    happens, ends, most = MISFORTUNES[misfortune]
    others, ill = [victim("one"), victim("two")], victim("ill")
    proxy = tidegate.run(watched([*others, ill]))
    until(lambda: all(standing(proxy, each) == "in" for each in (*others, ill)))
    with ExitStack() as until_the_end:
        watching = Watching(proxy, load, until_the_end)
        watching.goes_on()
        happens(ill)
        until(lambda: standing(proxy, ill) != "in")
        watching.goes_on()
        lost = len(watching.failures)
        assert lost <= most, watching.failures
        watching.goes_on(200)
        assert len(watching.failures) == lost, watching.failures
        if misfortune == "killed":
            # Left after a handful: at most what was on its way there, not one for each request.
            assert of_endpoint(proxy, "connect_failures", ill) <= KEPT + NEW
        ends(ill)
        until(lambda: standing(proxy, ill) == "in", within_s=30)
        before = of_endpoint(proxy, "requests", ill)
        watching.goes_on()
        assert of_endpoint(proxy, "requests", ill) > before + 10  # traffic is back by itself
    # On trial an endpoint that still cuts costs one more.
    assert len(watching.failures) - lost <= (1 if most else 0), watching.failures


def test_endpoints_that_come_and_go_touch_no_download_and_no_tunnel(
    tidegate: Tidegate, backend: Backends, load: Load, tmp_path: Path
) -> None:
    downloading: list[threading.Semaphore] = []

    def serve(connection: Connection) -> None:
        while request := connection.read_request():
            if "/long" not in request.line:
                connection.answer()
                continue
            goes_on = threading.Semaphore(0)
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            downloading.append(goes_on)
            for _ in range(100):
                goes_on.acquire()
                connection.send(b"x" * 1000)

    stays, goes, comes = backend(serve), backend(serve), backend(serve)
    (token := tmp_path / "token").write_text("hush")
    place, allowed = "/api/v1/upstreams/api/endpoints", "Authorization: Bearer hush"
    with WebSocketServer() as server, ExitStack() as open_ones:
        proxy = tidegate.prepare("")
        proxy.write(
            f"state: {proxy.state}\nadmin: {{bind: '127.0.0.1:0', token: !secret file:{token}}}\n"
            "listeners: {web: {bind: '127.0.0.1:0'}}\nroutes: [{to: api}, {match: {path: /ws}, to: sockets}]\n"
            f"upstreams: {{api: {{endpoints: ['{stays.address}', '{goes.address}']}}, "
            f"sockets: {{endpoints: ['{server.address}']}}}}\n"
        )
        proxy.start()
        tunnel = open_ones.enter_context(connect(f"ws://{proxy.address()}/ws", proxy=None, compression=None))
        downloads = [open_ones.enter_context(proxy.connect()).send(get("/long")) for _ in range(3)]
        for download in downloads:
            assert download.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        until(lambda: len(downloading) == 3)
        watching = Watching(proxy, load, open_ones)
        for number in range(60):
            come, go = ("remove", "resume") if number % 2 else ("add", "drain")
            assert ask(proxy, place, {"action": come, "address": comes.address}, allowed)[0] == 200
            assert ask(proxy, place, {"action": go, "address": goes.address}, allowed)[0] == 200
            for each in watching.seen:
                each.wait_for(2)
            for goes_on in downloading:
                goes_on.release()
            for download in downloads:
                assert download.read_exactly(1000) == b"x" * 1000
            tunnel.send(str(number))
            assert tunnel.recv(10) == str(number)
        assert watching.failures == []
        assert comes.accepted > 0
