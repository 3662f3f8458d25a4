"""Where clients are, in a running instance: routes by country, the nearest endpoint, and databases that change."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

from tests.peers.backend import Backend
from tests.peers.databases import CITIES, city, write_database
from tests.peers.messages import get
from tests.peers.sockets import Client
from tests.peers.tidegate import Config, Running, Tidegate
from tests.peers.waiting import until
from tests.scenarios.test_endpoints import answers, named

Backends = Callable[..., Backend]

GERMANY, AMERICA, AUSTRALIA = "203.0.113.5", "198.51.100.5", "2001:db8::5"


def located(*endpoints: tuple[Backend, list[float]]) -> Config:
    """An instance with endpoints at these places; clients tell their addresses."""
    return {
        "geo": {"city": "city.mmdb"},
        "listeners": {"web": {"bind": "127.0.0.1:0", "forwarded": {"from": ["127.0.0.1"]}}},
        "routes": [
            {"match": {"path": "/country"}, "redirect": {"to": "/{client.country}"}},
            {"match": {"path": "/"}, "to": "api"},
        ],
        "upstreams": {
            "api": {
                "balance": "nearest",
                "endpoints": [{"address": backend.address, "location": at} for backend, at in endpoints],
            }
        },
    }


def country(proxy: Running, address: str) -> str:
    """The country that a client at this address is taken to be in."""

    def ask(client: Client) -> str:
        answer = client.ask(get("/country", f"X-Forwarded-For: {address}"))
        return dict(answer.fields)["location"].rpartition("/")[2]

    with proxy.connect() as client:
        return ask(client)


def test_each_client_gets_the_nearest_endpoint_that_is_well(tidegate: Tidegate, backend: Backends) -> None:
    london, york, sydney = (named(backend, name) for name in ("london", "new york", "sydney"))
    config = located((london, [51.5, -0.1]), (york, [40.7, -74.0]), (sydney, [-33.9, 151.2]))
    proxy = tidegate.prepare(config)
    write_database(proxy.folder / "city.mmdb", CITIES)
    proxy.start()

    def nearest(address: str) -> dict[str, int]:
        return answers(proxy, 20, get("/", f"X-Forwarded-For: {address}"))

    assert nearest(GERMANY) == {"london": 20}
    assert nearest(AMERICA) == {"new york": 20}
    assert nearest(AUSTRALIA) == {"sydney": 20}
    assert set(answers(proxy, 100)) == {"london", "new york", "sydney"}, "the place of the test is not known"
    proxy.call("endpoints", "drain", "api", london.address)
    assert nearest(GERMANY) == {"new york": 20}


def test_a_database_that_changed_is_read_by_a_reload_and_given_to_a_new_worker(
    tidegate: Tidegate, backend: Backends
) -> None:
    proxy = tidegate.prepare(located((backend(), [0, 0])))
    database: Path = proxy.folder / "city.mmdb"
    write_database(database, CITIES)
    proxy.start()
    assert (country(proxy, GERMANY), country(proxy, "192.0.2.1")) == ("DE", "")
    write_database(database, {"203.0.113.0/24": city("FR", "EU", 48.9, 2.4)})
    assert country(proxy, GERMANY) == "DE"
    proxy.reload()
    assert country(proxy, GERMANY) == "FR"
    database.write_bytes(b"nothing")
    done = proxy.call("reload")
    assert (done.returncode, "is no MaxMind database" in done.stderr) == (1, True)
    worker = proxy.worker_pid

    os.kill(worker, signal.SIGKILL)
    until(lambda: proxy.status()["worker"]["pid"] != worker)
    assert country(proxy, GERMANY) == "FR"
