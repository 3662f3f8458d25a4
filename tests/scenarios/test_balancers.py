"""Balancers on real sockets: what is under way at each endpoint decides, over all threads."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.peers.backend import Backend
from tests.peers.sockets import Client
from tests.peers.tidegate import Config, Running, Tidegate, upstream
from tests.peers.waiting import until
from tests.scenarios.test_pools import GET, Gated

Backends = Callable[..., Backend]


def balanced(addresses: list[str], balance: object) -> Config:
    """A configuration whose upstream balances in this way, on two threads."""
    config = upstream(addresses)
    config["threads"] = 2
    config["upstreams"]["api"]["balance"] = balance
    return config


@contextmanager
def sent(proxy: Running, count: int) -> Iterator[list[Client]]:
    """So many clients, each of which has sent a request."""
    with ExitStack() as stack:
        yield [stack.enter_context(proxy.connect()).send(GET) for _ in range(count)]


@pytest.mark.parametrize("balance", ["least_requests", "peak_ewma", {"first": {"limit": 3}}])
def test_requests_under_way_are_counted_over_all_threads(
    tidegate: Tidegate, backend: Backends, balance: object
) -> None:
    gates = [Gated(), Gated()]
    proxy = tidegate.run(balanced([backend(gate).address for gate in gates], balance))
    with sent(proxy, 6):
        for gate in gates:
            gate.wait_busy(3)
        for gate in gates:
            gate.open.release(3)


def test_a_client_that_leaves_makes_room_for_another(tidegate: Tidegate, backend: Backends) -> None:
    gates = [Gated(), Gated()]
    proxy = tidegate.run(balanced([backend(gate).address for gate in gates], {"first": {"limit": 1}}))
    with sent(proxy, 1) as (leaves,):
        gates[0].wait_busy(1)
        leaves.reset()
        until(lambda: proxy.status()["upstreams"][0]["endpoints"][0]["exchanges"] == 0)
    with sent(proxy, 1):
        gates[0].wait_busy(2)  # the backend does not know yet that the first one left
        for gate in gates:
            gate.open.release(4)


def test_requests_of_one_key_go_to_one_endpoint_on_every_thread(tidegate: Tidegate, backend: Backends) -> None:
    origins = [backend() for _ in range(3)]
    balance = {"hash": {"key": 'request.cookies["id"]'}}
    proxy = tidegate.run(balanced([origin.address for origin in origins], balance))

    def went_to(key: str) -> int:
        before = [len(origin.requests) for origin in origins]
        with proxy.connect() as client:  # a new one each time, so both threads see the key
            assert client.ask(f"GET / HTTP/1.1\r\nHost: api\r\nCookie: id={key}\r\n\r\n").status == 200
        return next(at for at, origin in enumerate(origins) if len(origin.requests) > before[at])

    homes = {key: {went_to(key) for _ in range(6)} for key in "abcdefgh"}
    assert all(len(home) == 1 for home in homes.values())
    assert len({at for home in homes.values() for at in home}) > 1


def test_a_backup_serves_only_while_nobody_else_does(tidegate: Tidegate, backend: Backends) -> None:
    main, backup = backend(), backend()
    config = balanced([], "round_robin")
    config["upstreams"]["api"]["endpoints"] = [main.address, {"address": backup.address, "backup": True}]
    proxy = tidegate.run(config)
    with proxy.connect() as client:
        assert [client.ask(GET).status for _ in range(4)] == [200] * 4
    assert (len(main.requests), len(backup.requests)) == (4, 0)
    config["upstreams"]["api"]["endpoints"][0] = {"address": main.address, "weight": 0}
    proxy.reload(config)
    with proxy.connect() as client:
        assert [client.ask(GET).status for _ in range(4)] == [200] * 4
    assert (len(main.requests), len(backup.requests)) == (4, 4)
