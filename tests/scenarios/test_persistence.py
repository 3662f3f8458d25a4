"""Session persistence on real sockets: a session stays with its endpoint as long as that may serve it, whoever asks."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.backend import Backend
from tests.peers.messages import get
from tests.peers.tidegate import Config, Running, Tidegate, upstream
from tests.peers.victim import Victim
from tests.peers.waiting import until
from tests.scenarios.test_endpoints import named
from tests.telling.asking import metric

Backends = Callable[..., Backend]


class Visitor:
    """A client that keeps its cookies, on a new connection each time."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}
        self.set: list[str] = []

    def ask(self, proxy: Running) -> str:
        """Ask once; who answered."""
        fields = [f"Cookie: {'; '.join(f'{name}={value}' for name, value in self.cookies.items())}"]
        with proxy.connect() as client:
            answer = client.ask(get("/", *(fields if self.cookies else ())))
        assert answer.status == 200, answer
        for line in (value for name, value in answer.fields if name == "set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
            self.set.append(line)
        return answer.body.decode()


def visits(proxy: Running, visitor: Visitor, count: int = 8) -> Counter[str]:
    """Who answers a visitor so many times."""
    return Counter(visitor.ask(proxy) for _ in range(count))


def sticky(addresses: list[Any], secret: Path, **persist: Any) -> Config:
    """A configuration on two threads whose upstream keeps sessions by a cookie, unless `persist` says otherwise."""
    config = upstream([])
    by = {} if "header" in persist else {"cookie": {"name": "srv", "secret": f"!secret file:{secret}"}}
    config["upstreams"]["api"] = {"endpoints": addresses, "persist": {**by, **persist}}
    return config


def written(config: Config, state: Path) -> str:
    """The configuration as a file: JSON knows no tags."""
    text = json.dumps({"threads": 2, "state": str(state), **config}, indent=1)
    return re.sub(r'"(!secret )([^"]*)"', r'\1"\2"', text)


def run(tidegate: Tidegate, config: Config) -> Running:
    """An instance with this configuration."""
    running = tidegate.prepare("")
    running.write(written(config, running.state))
    return running.start()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file with a secret."""
    path = tmp_path / "secret"
    path.write_text("0123456789abcdef\n")
    return path


@pytest.fixture
def victims() -> Iterator[list[Victim]]:
    """Three backends that can be killed and brought back."""
    made = [Victim(name) for name in ("one", "two", "three")]
    yield made
    for each in made:
        each.end()


def test_a_cookie_is_set_once_and_leads_to_one_endpoint_on_every_thread(
    tidegate: Tidegate, backend: Backends, secret: Path
) -> None:
    backends = [named(backend, name) for name in ("one", "two", "three")]
    proxy = run(tidegate, sticky([each.address for each in backends], secret))
    homes = []
    for _ in range(6):
        visitor = Visitor()
        homes.append(visitor.ask(proxy))
        assert visits(proxy, visitor) == {homes[-1]: 8}
        (line,) = visitor.set
        assert line == f"srv={visitor.cookies['srv']}; Path=/; HttpOnly; SameSite=Lax"
    assert set(homes) == {"one", "two", "three"}
    assert backends[0].requests[-1].values("cookie")


def test_a_session_survives_reload_and_restart_and_is_known_to_another_instance(
    tidegate: Tidegate, backend: Backends, secret: Path
) -> None:
    addresses = [named(backend, name).address for name in ("one", "two", "three")]
    proxy = run(tidegate, sticky(addresses, secret))
    visitor = Visitor()
    home = visitor.ask(proxy)
    proxy.reload(written(sticky(addresses[::-1], secret), proxy.state))
    assert visits(proxy, visitor) == {home: 8}
    proxy.stop()
    proxy.start()
    assert visits(proxy, visitor) == {home: 8}
    other = run(tidegate, sticky(addresses, secret))
    assert visits(other, visitor) == {home: 8}
    assert len(visitor.set) == 1


def test_a_session_whose_endpoint_is_gone_begins_anew_and_stays_there(
    tidegate: Tidegate, victims: list[Victim], secret: Path
) -> None:
    proxy = run(tidegate, sticky([each.address for each in victims], secret))
    visitor = Visitor()
    home = visitor.ask(proxy)
    (gone,) = [each for each in victims if each.name == home]
    gone.kill()
    other = visitor.ask(proxy)  # not one request fails
    assert other != home
    gone.start()
    assert visits(proxy, visitor) == {other: 8}
    assert len(visitor.set) == 2


def test_who_would_rather_fail_than_begin_anew_gets_503(
    tidegate: Tidegate, victims: list[Victim], secret: Path
) -> None:
    config = sticky([each.address for each in victims], secret, strict=True)
    config["upstreams"]["api"]["health"] = {"tcp": {}, "interval": "100ms", "rise": 1, "fall": 1}
    proxy = run(tidegate, config)
    visitor = Visitor()
    home = visitor.ask(proxy)
    (gone,) = [each for each in victims if each.name == home]
    gone.kill()
    with proxy.connect() as client:
        answer = client.ask(get("/", f"Cookie: srv={visitor.cookies['srv']}"))
    assert (answer.status, answer.field("retry-after"), answer.field("set-cookie")) == (503, "1", None)
    assert Visitor().ask(proxy) != home
    gone.start()

    def is_back() -> bool:
        with proxy.connect() as client:
            return client.ask(get("/", f"Cookie: srv={visitor.cookies['srv']}")).body == home.encode()

    until(is_back, within_s=20)


def test_a_drained_endpoint_keeps_its_sessions_and_gets_no_new_ones(
    tidegate: Tidegate, backend: Backends, secret: Path
) -> None:
    backends = {name: named(backend, name) for name in ("one", "two")}
    proxy = run(tidegate, sticky([each.address for each in backends.values()], secret))
    visitor = Visitor()
    home = visitor.ask(proxy)
    address = backends[home].address
    for action, undo in [(("drain",), ("resume",)), (("weight", "0"), ("weight", "1"))]:
        assert proxy.call("endpoints", action[0], "api", address, *action[1:]).returncode == 0
        assert visits(proxy, visitor) == {home: 8}
        assert Counter(Visitor().ask(proxy) for _ in range(6)).keys() == backends.keys() - {home}
        assert proxy.call("endpoints", undo[0], "api", address, *undo[1:]).returncode == 0
    proxy.call("endpoints", "remove", "api", address)
    assert visits(proxy, visitor) == {next(iter(backends.keys() - {home})): 8}


def test_an_endpoint_that_is_added_has_sessions_of_its_own(tidegate: Tidegate, backend: Backends, secret: Path) -> None:
    one, two = named(backend, "one"), named(backend, "two")
    proxy = run(tidegate, sticky([one.address], secret))
    proxy.call("endpoints", "add", "api", two.address)
    proxy.call("endpoints", "weight", "api", one.address, "0")
    visitor = Visitor()
    assert visits(proxy, visitor) == {"two": 8}
    proxy.call("endpoints", "weight", "api", one.address, "1")
    assert visits(proxy, visitor) == {"two": 8}
    assert len(visitor.set) == 1


def test_an_old_secret_is_known_until_it_leaves_the_list(tidegate: Tidegate, backend: Backends, secret: Path) -> None:
    addresses = [named(backend, name).address for name in ("one", "two", "three")]
    proxy = run(tidegate, sticky(addresses, secret))
    visitor, absent = Visitor(), Visitor()
    home = visitor.ask(proxy)
    absent.ask(proxy)
    new = secret.with_name("new")
    new.write_text("fedcba9876543210")
    config = sticky(addresses, new)
    for secrets in ([f"!secret file:{new}", f"!secret file:{secret}"], [f"!secret file:{new}"]):
        config["upstreams"]["api"]["persist"]["cookie"]["secret"] = secrets
        proxy.reload(written(config, proxy.state))
        assert visits(proxy, visitor) == {home: 8}
    assert len(visitor.set) == 2
    absent.ask(proxy)
    assert len(absent.set) == 2, "what the old secret made is nothing any more"


def test_a_header_names_the_endpoint_for_clients_without_cookies(
    tidegate: Tidegate, backend: Backends, secret: Path
) -> None:
    addresses = [named(backend, name).address for name in ("one", "two", "three")]
    header = {"name": "X-Server", "secret": f"!secret file:{secret}"}
    proxy = run(tidegate, sticky(addresses, secret, header=header))
    with proxy.connect() as client:
        first = client.ask(get())
        token = first.field("x-server")
        assert first.field("cache-control") == "private"
        answers = [client.ask(get("/", f"X-Server: {token}")) for _ in range(6)]
    assert {answer.body for answer in answers} == {first.body}
    assert {answer.field("x-server") for answer in answers} == {None}


def test_no_secret_reaches_the_disk_and_none_is_guessed(tidegate: Tidegate, backend: Backends, secret: Path) -> None:
    addresses = [named(backend, name).address for name in ("one", "two")]
    proxy = run(tidegate, sticky(addresses, secret))
    visitor = Visitor()
    visitor.ask(proxy)
    kept = "".join(path.read_text() for path in proxy.state.glob("*.json"))
    assert secret.read_text().strip() not in kept
    before = visitor.cookies["srv"]
    for forged in ("", "x", addresses[0], before[:-1], before.swapcase()):
        visitor.cookies["srv"] = forged
        visitor.ask(proxy)
        assert visitor.cookies["srv"] != forged


def test_a_secret_that_is_too_short_or_not_there_is_told(tidegate: Tidegate, backend: Backends, secret: Path) -> None:
    addresses = [named(backend, "one").address]
    proxy = run(tidegate, sticky(addresses, secret))
    secret.write_text("short")
    done = proxy.call("reload")
    assert done.returncode == 1
    assert "has 5 bytes, and tokens of sessions need 16" in done.stderr
    secret.unlink()
    assert "cannot be read" in proxy.call("reload").stderr
    assert Visitor().ask(proxy) == "one"


def test_metrics_tell_what_became_of_sessions(tidegate: Tidegate, victims: list[Victim], secret: Path) -> None:
    proxy = run(tidegate, {**sticky([each.address for each in victims], secret), "admin": {"bind": "127.0.0.1:0"}})
    visitor, other = Visitor(), Visitor()
    visits(proxy, visitor, 5)
    other.cookies["srv"] = "made-up"
    visits(proxy, other, 1)
    home = visitor.ask(proxy)
    next(each for each in victims if each.name == home).kill()
    visits(proxy, visitor, 2)

    def counted(outcome: str) -> float:
        return metric(proxy, "tidegate_sessions_total", upstream="api", outcome=outcome)

    assert [counted(each) for each in ("made", "kept", "gone", "moved")] == [1, 6, 1, 1]
