"""Health checks of real backends: who fails leaves, who is well returns, and clients see little of it."""

import signal
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.peers.backend import Backend, Connection
from tests.peers.carried import carried
from tests.peers.certificate import make_certificate
from tests.peers.datagrams import Sender, Server, datagrams
from tests.peers.load import Load
from tests.peers.messages import get, head
from tests.peers.tidegate import Config, Running, Tidegate, upstream
from tests.peers.victim import Victim
from tests.peers.waiting import until

Backends = Callable[..., Backend]
Victims = Callable[[str], Victim]


class Moody(Backend):
    """A backend whose `/healthz` answers what the test says."""

    def __init__(self, name: str) -> None:
        super().__init__(self.answer, name=name)
        self.health = "200 OK"
        self.checks = 0

    def answer(self, connection: Connection) -> None:
        """Answer with its name, and checks with its health."""
        while request := connection.read_request():
            if "/healthz" not in request.line:
                connection.answer(self.name)
                continue
            self.checks += 1
            connection.answer("well\n", self.health)


def checked(addresses: list[str], health: dict[str, Any] | None = None, **more: Any) -> Config:
    """All requests to one upstream that is checked often, with an admin listener."""
    config = {**upstream(addresses), "admin": {"bind": "127.0.0.1:0"}}
    usual = {"http": "/healthz", "interval": "200ms", "fast_interval": "50ms", "timeout": "300ms"}
    config["upstreams"]["api"].update(health={**usual, **(health or {})}, **more)
    return config


def standings(proxy: Running) -> list[str]:
    """The standing of each endpoint of the first upstream, in one word."""
    return [each["standing"] for each in proxy.status()["upstreams"][0]["endpoints"]]


def names(proxy: Running, count: int = 8) -> set[str]:
    """Which backends answer so many requests."""
    with proxy.connect() as client:
        answers = [client.ask(get()) for _ in range(count)]
    assert {each.status for each in answers} == {200}
    return {each.body.decode() for each in answers}


def test_an_endpoint_that_is_not_well_takes_no_work_until_it_is(tidegate: Tidegate) -> None:
    one, two = Moody("one"), Moody("two")
    proxy = tidegate.run(checked([one.address, two.address]))
    until(lambda: one.checks and two.checks)
    assert names(proxy) == {"one", "two"}
    two.health = "503 Service Unavailable"
    proxy.supervisor.wait_for_line(f"upstream api: {two.address} is down: 3 checks in a row failed: it answered 503")
    until(lambda: standings(proxy) == ["in", "down"])
    assert names(proxy) == {"one"}
    two.health = "302 Found"
    proxy.supervisor.wait_for_line(f"upstream api: {two.address} is up: 2 checks in a row passed")
    until(lambda: names(proxy) == {"one", "two"})


def test_a_stopped_backend_is_left_and_taken_again(tidegate: Tidegate, victim: Victims, load: Load) -> None:
    well, stopped = victim("well"), victim("stopped")
    proxy = tidegate.run(checked([well.address, stopped.address]) | {"threads": 1})
    proxy.supervisor.wait_for_line(f"{stopped.address} is up")
    stopped.stop()
    proxy.supervisor.wait_for_line(f"{stopped.address} is down: .* it did not answer within 300ms")
    until(lambda: standings(proxy) == ["in", "down"])
    with load.steady(proxy.url, connections=4) as seen:
        seen.wait_for(200)
    assert seen.failures == []
    stopped.go_on()
    until(lambda: names(proxy) == {"well", "stopped"})


def test_a_backend_that_stops_under_load_costs_what_it_had_and_a_detection(
    tidegate: Tidegate, victim: Victims, load: Load
) -> None:
    others, stopped = [victim("one"), victim("two")], victim("stopped")
    config = checked([*(each.address for each in others), stopped.address])
    config["routes"][0]["timeouts"] = {"response": "1s"}
    proxy = tidegate.run(config)
    with load.steady(proxy.url, connections=6) as seen:
        seen.wait_for(100)
        stopped.stop()
        proxy.supervisor.wait_for_line(f"{stopped.address} is down: 3 checks in a row failed")
        # At most what each connection had sent there, and once more after that had timed out within the detection.
        until(lambda: is_free(proxy, stopped.address))
        lost = len(seen.failures)
        seen.wait_for_successes(300)
        stopped.go_on()
        until(lambda: standings(proxy) == ["in", "in", "in"])
        seen.wait_for_successes(100)
    assert len(seen.failures) == lost <= 12


def is_free(proxy: Running, address: str) -> bool:
    """Whether no exchange with this endpoint is under way."""
    endpoints = proxy.status()["upstreams"][0]["endpoints"]
    return all(each["exchanges"] == 0 for each in endpoints if each["address"] == address)


def test_a_killed_backend_is_left_and_taken_again_under_load(tidegate: Tidegate, victim: Victims, load: Load) -> None:
    well, killed = victim("well"), victim("killed")
    proxy = tidegate.run(checked([well.address, killed.address]))
    with load.steady(proxy.url, connections=4) as seen:
        seen.wait_for(100)
        killed.kill()
        proxy.supervisor.wait_for_line(f"{killed.address} is down: .* it refused the connection")
        seen.wait_for_successes(100)
        killed.start()
        until(lambda: standings(proxy) == ["in", "in"], within_s=20)  # also what passes it over for 10 s ends
        seen.wait_for_successes(100)
    # What was under way when it died: at most one request for each connection.
    assert len(seen.failures) <= 4


def test_checks_go_on_while_the_supervisor_is_stopped_and_when_it_is_gone(tidegate: Tidegate) -> None:
    one, two = Moody("one"), Moody("two")
    proxy = tidegate.run(checked([one.address, two.address]))
    until(lambda: standings(proxy) == ["in", "in"])
    proxy.supervisor.send(signal.SIGSTOP)
    two.health = "500 Broken"
    until(lambda: names(proxy) == {"one"})
    proxy.supervisor.send(signal.SIGCONT)
    proxy.kill_supervisor()
    two.health = "200 OK"
    until(lambda: names(proxy) == {"one", "two"})
    one.health = "500 Broken"
    until(lambda: names(proxy) == {"two"})


def test_an_address_of_several_upstreams_is_checked_once(tidegate: Tidegate) -> None:
    one = Moody("one")
    config = checked([one.address], {"interval": "1h"})
    config["upstreams"]["other"] = config["upstreams"]["api"]
    config["upstreams"]["unlike"] = {
        **config["upstreams"]["api"],
        "health": {"http": "/healthz?other", "interval": "1h"},
    }
    proxy = tidegate.run(config)

    def up() -> int:
        with proxy.connect("admin") as client:
            text = client.ask(head("GET", "/metrics", host=proxy.address("admin"))).body.decode()
        return sum('result="passed"' in line and line.endswith(" 1") for line in text.splitlines())

    until(lambda: up() == 3)
    assert one.checks == 2
    # A reload checks nothing anew, and who joins learns what is known.
    config["upstreams"]["late"] = config["upstreams"]["api"]
    proxy.reload(config)
    proxy.supervisor.wait_for_line(f"upstream late: {one.address} is up: checks of its address")
    assert one.checks == 2


def test_where_none_is_well_the_log_says_why_of_each(tidegate: Tidegate) -> None:
    one, two = Moody("one"), Moody("two")
    config = checked([one.address, two.address], panic_threshold=0) | {"access_log": {"to": "stdout"}}
    proxy = tidegate.run(config)
    one.health = two.health = "500 Broken"
    until(lambda: standings(proxy) == ["down", "down"])
    with proxy.connect() as client:
        assert client.ask(get()).status == 503
    why = r"is down for \d+ m?s: 3 checks in a row failed: it answered 500"
    proxy.supervisor.wait_for_line(
        rf"no endpoint of upstream api is eligible: {one.address} {why}; {two.address} {why}"
    )


def test_an_upstream_without_health_forgets_what_checks_said(tidegate: Tidegate) -> None:
    one = Moody("one")
    one.health = "500 Broken"
    config = checked([one.address])
    proxy = tidegate.run(config)
    until(lambda: standings(proxy) == ["down"])
    del config["upstreams"]["api"]["health"]
    proxy.reload(config)
    until(lambda: standings(proxy) == ["in"])
    proxy.supervisor.wait_for_line(f"{one.address} is no longer checked")


@pytest.mark.needs("openssl")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_who_shakes_hands_is_well(
    tidegate: Tidegate, backend: Backends, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(make_certificate(tmp_path))
    context.minimum_version = context.maximum_version = version
    asked: list[str | None] = []

    def look_at_name(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> int | None:
        asked.append(name)
        return None if name == "db.test" else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = look_at_name

    def shake(connection: Connection) -> None:
        with suppress(OSError), context.wrap_socket(connection.socket, server_side=True):
            pass

    def greet(connection: Connection) -> None:
        connection.send("220 mail.test\r\n")

    secure, plain = backend(shake).address, backend(greet).address
    config = carried([secure, plain])
    usual = {"interval": "200ms", "fast_interval": "50ms", "timeout": "2s"}
    config["upstreams"]["db"]["health"] = {"tls": {"sni": "db.test", "alpn": "h2"}, **usual}
    config["upstreams"]["other"] = {"endpoints": [secure], "health": {"tls": {"sni": "other.test"}, **usual}}
    proxy = tidegate.run(config)
    said = [
        f"upstream db: {secure} is up",
        f"upstream db: {plain} is down: .*: its answer is not TLS",
        f"upstream other: {secure} is down: .*: it refused the handshake: unrecognized_name",
    ]
    for line in said:
        proxy.supervisor.wait_for_line(line)
    assert {"db.test", "other.test"} == set(asked)


def test_datagrams_tell_who_is_well(tidegate: Tidegate) -> None:
    well, silent, gone = Server(), Server(), Server()
    silent.answer = lambda _: []
    gone.end()
    try:
        config = datagrams([well.address, silent.address, gone.address])
        usual = {"interval": "200ms", "fast_interval": "50ms", "timeout": "200ms"}
        config["upstreams"]["dns"].update(
            health={"udp": {"send": "PING", "expect": "PING"}, **usual}, panic_threshold=0
        )
        proxy = tidegate.run({**config, "threads": 1})
        for line in (
            f"upstream dns: {well.address} is up",
            f"upstream dns: {silent.address} is down: .*: it did not answer within 200ms",
            f"upstream dns: {gone.address} is down: .*: nobody listens there",
        ):
            proxy.supervisor.wait_for_line(line)
        for _ in range(6):
            with Sender(proxy.address()) as client:
                assert client.ask(b"1") == b"1"
    finally:
        well.end()
        silent.end()
