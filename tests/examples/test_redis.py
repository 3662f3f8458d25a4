"""The example of layer 4 does its job, with real Redis on both sides."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.redis import Redis, ask
from tests.peers.tidegate import Tidegate

EXAMPLE = Path(__file__).parents[2] / "examples" / "redis.yaml"


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Redis]]:
    """Two servers, each with nothing in it."""
    made = [Redis(tmp_path, name) for name in ("one", "two")]
    yield made
    for each in made:
        each.end()


@pytest.mark.needs("redis-server", "redis-cli")
def test_clients_of_redis_are_served_and_the_second_stands_in_for_the_first(
    tidegate: Tidegate, servers: list[Redis]
) -> None:
    running = tidegate.prepare("")
    text = EXAMPLE.read_text().replace("127.0.0.1:6379", "127.0.0.1:0")
    for port, server in zip(("9001", "9002"), servers, strict=True):
        text = text.replace(f'"127.0.0.1:{port}"', f'"{server.address}"')
    running.write(f"threads: 1\nstate: {running.state}\n{text}")
    address = running.start().address("redis")
    large = "0123456789" * 200_000
    assert ask(address, "set", "large", given=large) == "OK"
    assert ask(address, "get", "large") == large
    assert ask(address, "set", "name", "first") == "OK"
    assert ask(address, "get", "name") == "first"
    servers[0].end()
    assert ask(address, "get", "name") == ""  # the second one has nothing of it
    assert ask(address, "ping") == "PONG"
