"""Endpoints that are DNS names: all addresses of a name, also when they change, or when there are none."""

from collections.abc import Callable

import pytest

from tests.peers.backend import Backend
from tests.peers.load import Load
from tests.peers.messages import get
from tests.peers.name_server import LAUNCH, NameServer
from tests.peers.tidegate import Running, Tidegate, upstream
from tests.peers.waiting import until

pytestmark = pytest.mark.needs("dnsmasq")

Backends = Callable[..., Backend]


@pytest.fixture
def two(backend: Backends) -> tuple[Backend, Backend]:
    """Two backends on one port: `second` at 127.0.0.2, `third` at 127.0.0.3."""
    while True:
        second = backend(name="second", host="127.0.0.2")
        port = int(second.address.rsplit(":", 1)[1])
        try:
            return second, backend(name="third", host="127.0.0.3", port=port)
        except OSError:
            continue  # somebody else has the port at the other address


def run(tidegate: Tidegate, name_server: NameServer, *endpoints: str) -> Running:
    """An instance that asks the name server."""
    proxy = tidegate.prepare(upstream(endpoints), name_server.environment)
    proxy.command = LAUNCH
    return proxy.start()


def who_answers(proxy: Running, count: int = 8) -> set[str]:
    """The names of the backends that answer so many requests on one connection."""
    with proxy.connect() as client:
        answers = [client.ask(get()) for _ in range(count)]
    assert [answer.status for answer in answers] == [200] * count, answers
    return {"second" if b'"second"' in answer.body else "third" for answer in answers}


def port_of(backend: Backend) -> str:
    """Its port."""
    return backend.address.rsplit(":", 1)[1]


def test_a_name_stands_for_all_its_addresses_and_follows_them(
    tidegate: Tidegate, name_server: NameServer, two: tuple[Backend, Backend], load: Load
) -> None:
    port = port_of(two[0])
    name_server.tell(api=["127.0.0.2"])
    proxy = run(tidegate, name_server, f"api.test:{port}")
    assert who_answers(proxy) == {"second"}
    with load.steady(f"{proxy.url}/", connections=4) as seen:
        name_server.tell(api=["127.0.0.2", "127.0.0.3"])
        proxy.supervisor.wait_for_line(f"added 127.0.0.3:{port}, drained none")
        until(lambda: who_answers(proxy) == {"second", "third"})
        seen.wait_for(50)
        name_server.tell(api=["127.0.0.3"])
        proxy.supervisor.wait_for_line(f"added none, drained 127.0.0.2:{port}")
        until(lambda: who_answers(proxy) == {"third"})
        seen.wait_for(50)
    assert seen.failures == []
    [endpoint] = proxy.status()["upstreams"][0]["endpoints"]
    assert (endpoint["entry"], endpoint["address"]) == (f"api.test:{port}", f"127.0.0.3:{port}")


def test_a_name_without_an_address_is_a_warning_and_503_until_it_has_one(
    tidegate: Tidegate, name_server: NameServer, two: tuple[Backend, Backend]
) -> None:
    port = port_of(two[0])
    proxy = run(tidegate, name_server, f"api.test:{port}")
    proxy.supervisor.wait_for_line(f"warning api.test:{port} has no address: .*exist")
    with proxy.connect() as client:
        answer = client.ask(get())
        assert (answer.status, b"name_unresolved" in answer.body) == (503, True)
        assert "dns_error" in (answer.field("proxy-status") or "")
        assert "api.test" not in answer.head.decode() + answer.body.decode()
        name_server.tell(api=["127.0.0.2"])
        proxy.supervisor.wait_for_line("added 127.0.0.2")
        until(lambda: client.ask(get()).status == 200)


def test_the_other_endpoints_serve_where_a_name_has_no_address(
    tidegate: Tidegate, name_server: NameServer, two: tuple[Backend, Backend]
) -> None:
    proxy = run(tidegate, name_server, "api.test:1", two[1].address)
    assert who_answers(proxy) == {"third"}


def test_the_last_good_answer_is_kept(
    tidegate: Tidegate, name_server: NameServer, two: tuple[Backend, Backend], load: Load
) -> None:
    name_server.tell(api=["127.0.0.2"])
    proxy = run(tidegate, name_server, f"api.test:{port_of(two[0])}")
    with load.steady(f"{proxy.url}/", connections=4) as seen:
        name_server.tell()
        proxy.supervisor.wait_for_line("the last good answer is kept")
        seen.wait_for(20)
        proxy.reload()
        seen.wait_for(20)
        proxy.kill_supervisor()
        seen.wait_for(20)
        proxy.start()
        proxy.supervisor.wait_for_line("the last good answer is kept")
        seen.wait_for(20)
    assert seen.failures == []
