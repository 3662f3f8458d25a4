"""Endpoints that a file, a URL or a DNS service lists: they come and go while requests go on, and none fails."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.backend import Backend
from tests.peers.list_server import ListServer
from tests.peers.load import Load
from tests.peers.messages import get, head
from tests.peers.name_server import LAUNCH, NameServer
from tests.peers.tidegate import Running, Tidegate, upstream
from tests.peers.waiting import until
from tests.scenarios.test_endpoints import answers, named
from tests.scenarios.test_names import port_of

Backends = Callable[..., Backend]


@pytest.fixture
def three(backend: Backends) -> tuple[Backend, Backend, Backend]:
    """Backends that answer with their names."""
    return named(backend, "one"), named(backend, "two"), named(backend, "three")


@pytest.fixture
def server() -> Iterator[ListServer]:
    made = ListServer()
    yield made
    made.end()


def put(path: Path, *endpoints: Any) -> None:
    """Replace a file as careful programs do: write beside it, then rename."""
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(json.dumps(list(endpoints), indent=1))
    draft.replace(path)


def provider(running: Running) -> dict[str, Any]:
    """What the status tells of the only provider."""
    [told] = running.status()["providers"]
    return dict(told)


def listed(running: Running) -> list[dict[str, Any]]:
    """The endpoints of the only upstream."""
    endpoints: list[dict[str, Any]] = running.status()["upstreams"][0]["endpoints"]
    return endpoints


def test_a_file_is_followed_while_requests_go_on(
    tidegate: Tidegate, three: tuple[Backend, ...], load: Load, tmp_path: Path
) -> None:
    one, two, third = (each.address for each in three)
    path = tmp_path / "endpoints.yaml"
    put(path, one, two)
    running = tidegate.run(upstream([{"file": str(path)}]))
    assert answers(running, 10) == {"one": 5, "two": 5}
    number = running.status()["snapshot"]["number"]
    with load.steady(f"{running.url}/", connections=5) as seen:
        put(path, {"address": two, "weight": 3}, third)
        running.supervisor.wait_for_line(rf"file:{path}: added {third}; changed {two}; drained {one}")
        until(lambda: set(answers(running, 20)) == {"two", "three"})
        assert {each["address"]: each["weight"] for each in listed(running)} == {two: 3, third: 1}
        seen.wait_for(20)
        path.write_text(f"- {two}\n- {third}:x\n")
        running.supervisor.wait_for_line("the last good list is kept: its list is wrong:")
        running.supervisor.wait_for_line(rf"^ +{path}:2:3: error: .*")
        assert "its list is wrong" in provider(running)["error"]
        seen.wait_for(20)
        path.write_text("")
        running.supervisor.wait_for_line("this is nothing")
        path.unlink()
        running.supervisor.wait_for_line("it cannot be read: No such file or directory")
        assert set(answers(running, 20)) == {"two", "three"}
        put(path, two)
        running.supervisor.wait_for_line(f"drained {third}")
        until(lambda: set(answers(running, 10)) == {"two"})
        seen.wait_for(20)
    assert seen.failures == []
    told = provider(running)
    assert (told["provider"], told["endpoints"], told["error"]) == (f"file:{path}", 1, "")
    assert running.status()["snapshot"]["number"] == number


def test_a_url_is_polled_and_its_last_list_outlives_it_and_us(
    tidegate: Tidegate, three: tuple[Backend, ...], load: Load, server: ListServer
) -> None:
    one, two, _ = (each.address for each in three)
    server.tell(one)
    running = tidegate.run(upstream([{"url": server.url, "interval": "50ms"}]))
    assert answers(running, 4) == {"one": 4}
    server.wait_for(304, 2)
    with load.steady(f"{running.url}/", connections=5) as seen:
        server.tell(one, two)
        until(lambda: set(answers(running, 20)) == {"one", "two"})
        server.status = 500
        running.supervisor.wait_for_line("the last good list is kept: it answers with 500")
        seen.wait_for(20)
        port = server.port
        server.end()
        running.supervisor.wait_for_line("the last good list is kept: .*Connection refused")
        running.reload()
        seen.wait_for(20)
    assert seen.failures == []
    assert running.stop() == 0
    running.start()
    running.supervisor.wait_for_line("the last good list is kept: .*Connection refused")
    assert answers(running, 10) == {"one": 5, "two": 5}
    server.status = 200
    server.tell(two)
    server.start(port)
    running.supervisor.wait_for_line("the list is there again")
    until(lambda: answers(running, 10) == {"two": 10})


def test_the_age_of_a_list_is_in_the_metrics(
    tidegate: Tidegate, three: tuple[Backend, ...], server: ListServer
) -> None:
    server.tell(three[0].address)
    config = upstream([{"url": server.url, "interval": "50ms"}])
    running = tidegate.run({**config, "admin": {"bind": "127.0.0.1:0"}})
    name = f'tidegate_provider_good_timestamp_seconds{{provider="{server.url}"}} '

    def good() -> float:
        with running.connect("admin") as client:
            text = client.ask(head("GET", "/metrics", host=running.address("admin"))).body.decode()
        return next((float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name)), 0.0)

    until(good)
    first = good()
    assert abs(first - time.time()) < 60
    until(lambda: good() > first)


def test_an_empty_list_is_obeyed_and_told(tidegate: Tidegate, three: tuple[Backend, ...], server: ListServer) -> None:
    server.tell(three[0].address)
    running = tidegate.run(upstream([{"url": server.url, "interval": "50ms"}]))
    server.tell()
    running.supervisor.wait_for_line(f"drained {three[0].address}")
    with running.connect() as client:
        until(lambda: client.ask(get()).status == 503)
        assert b"nothing_listed" in client.ask(get()).body
        server.tell(three[1].address)
        until(lambda: client.ask(get()).status == 200)
    until(lambda: answers(running, 4) == {"two": 4})


def test_a_provider_without_a_list_is_a_warning_and_the_others_serve(
    tidegate: Tidegate, three: tuple[Backend, ...], tmp_path: Path
) -> None:
    path = tmp_path / "late.json"
    running = tidegate.run(upstream([three[0].address, {"file": str(path)}]))
    running.supervisor.wait_for_line(f"file:{path}: there is no list: it cannot be read")
    assert answers(running, 4) == {"one": 4}
    put(path, three[1].address)
    until(lambda: answers(running, 10) == {"one": 5, "two": 5})


def test_what_was_asked_of_a_listed_endpoint_holds(
    tidegate: Tidegate, three: tuple[Backend, ...], tmp_path: Path
) -> None:
    one, two, third = (each.address for each in three)
    path = tmp_path / "endpoints.json"
    put(path, one, two)
    running = tidegate.run(upstream([{"file": str(path)}]))
    assert running.call("endpoints", "drain", "api", one).returncode == 0
    assert running.call("endpoints", "weight", "api", two, "3").returncode == 0
    put(path, one, two, third)
    running.supervisor.wait_for_line(f"added {third}")
    until(lambda: answers(running, 40) == {"two": 30, "three": 10})


@pytest.mark.needs("dnsmasq")
def test_a_service_gives_ports_weights_and_tiers(
    tidegate: Tidegate, three: tuple[Backend, ...], load: Load, name_server: NameServer
) -> None:
    one, two, third = (port_of(each) for each in three)
    name_server.tell(a=["127.0.0.1"], b=["127.0.0.1"])
    service = "_http._tcp.api.test"
    name_server.tell_service(service, f"a.test,{one},10,30", f"b.test,{two},10,10", f"b.test,{third},20,0")
    proxy = tidegate.prepare(upstream([{"srv": service}]), name_server.environment)
    proxy.command = LAUNCH
    running = proxy.start()
    assert answers(running, 40) == {"one": 30, "two": 10}
    with load.steady(f"{running.url}/", connections=5) as seen:
        name_server.tell_service(service, f"a.test,{one},10,0", f"b.test,{third},10,0")
        running.supervisor.wait_for_line(f"srv:{service}: changed .*; drained b.test:{two}")
        until(lambda: set(answers(running, 20)) == {"one", "three"})
        seen.wait_for(20)
        name_server.tell_service("_other._tcp.api.test", "a.test,1")
        running.supervisor.wait_for_line(f"srv:{service}: the last good list is kept: .*does not exist")
        seen.wait_for(20)
    assert seen.failures == []
    name_server.tell_service(service, "")  # decidedly not there
    running.supervisor.wait_for_line(f"srv:{service}: drained a.test:{one}, b.test:{third}")
    with running.connect() as client:
        until(lambda: client.ask(get()).status == 503)


@pytest.mark.parametrize("field", [None, "X-Consul-Token"])
def test_a_url_is_asked_with_a_token_that_may_be_renewed(
    tidegate: Tidegate, three: tuple[Backend, ...], server: ListServer, tmp_path: Path, field: str | None
) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    server.tell(three[0].address)
    server.demand(field or "Authorization", "first" if field else "Bearer first")
    named = f", header: {field}" if field else ""
    entry = f"{{url: '{server.url}', interval: 50ms, token: !secret file:{path}{named}}}"
    running = tidegate.run(
        "listeners: {web: {bind: '127.0.0.1:0'}}\nroutes: [{to: api}]\n"
        f"upstreams: {{api: {{endpoints: [{entry}]}}}}\n"
        f"state: {tmp_path / 'state'}\n"
    )
    assert answers(running, 4) == {"one": 4}
    server.demand(field or "Authorization", "second" if field else "Bearer second")
    running.supervisor.wait_for_line("the last good list is kept: it answers with 401")
    path.write_text("second\n")
    running.supervisor.wait_for_line("the list is there again")
    path.write_text("of two\nlines")
    running.supervisor.wait_for_line(f"the last good list is kept: its token, {path}, has a letter that no field")
    path.unlink()
    running.supervisor.wait_for_line("its token: the secret in .* cannot be read: No such file")
    assert answers(running, 4) == {"one": 4}
    said = "\n".join(running.supervisor.lines) + (tmp_path / "state" / "snapshot.json").read_text()
    assert "second" not in said
    assert "first" not in said
