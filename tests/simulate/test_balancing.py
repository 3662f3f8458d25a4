"""What clients would wait, by the balancers that serve."""

from typing import Any

import pytest

from tidegate.config.upstream import Upstream
from tidegate.simulate.balancing import Played, Work, simulate

EVEN = [Work(8, 0.010)] * 4
ONE_SLOW = [*EVEN[:3], Work(8, 0.100)]


def played(balance: Any, work: list[Work], **asked: Any) -> Played:
    addresses = [f"10.0.0.{number}:80" for number in range(1, len(work) + 1)]
    upstream = Upstream.model_validate({"balance": balance, "endpoints": addresses})
    return simulate(upstream, work, rate=1500, requests=20_000, **asked)


def test_a_slow_endpoint_costs_least_with_peak_ewma() -> None:
    p99 = {name: played(name, ONE_SLOW).quantile(0.99) for name in ("round_robin", "least_requests", "peak_ewma")}
    assert p99["peak_ewma"] < p99["least_requests"] < p99["round_robin"]


def test_the_same_seed_gives_the_same_answers_and_another_gives_others() -> None:
    assert played("random_two", EVEN) == played("random_two", EVEN)
    assert played("random_two", EVEN) != played("random_two", EVEN, seed=2)


def test_requests_of_one_key_go_to_one_endpoint() -> None:
    assert len(set(played({"hash": "client.ip"}, EVEN, keys=1).endpoints)) == 1


def test_work_is_told_for_each_endpoint() -> None:
    with pytest.raises(ValueError, match="work is told for 1 endpoints, and the upstream has 4"):
        simulate(Upstream.model_validate({"endpoints": ["a:1", "b:1", "c:1", "d:1"]}), EVEN[:1], rate=1)
