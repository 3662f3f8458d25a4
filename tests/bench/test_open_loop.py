"""The load of the tail's bench: times count from when a request was due, whatever became of those before."""

import asyncio
import subprocess
import sys

import pytest

from bench.open_loop import load
from bench.tail import tail_of


def served(*words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-m", "bench.workers", *words], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("word", "waits"),
    [pytest.param("8:1", False, id="quick enough"), pytest.param("1:100", True, id="too slow for its load")],
)
def test_the_line_in_front_of_an_endpoint_is_waited_for(word: str, waits: bool) -> None:
    with served(word) as workers:
        try:
            assert workers.stdout is not None
            tail = asyncio.run(load(workers.stdout.readline().strip(), rate=100, warm_s=0.0, seconds=1.0, wait_s=0.5))
        finally:
            workers.terminate()
    assert tail.failed == 0
    assert sum(tail.answers.values()) + tail.unanswered == len(tail.took_s) > 50
    # One worker of 100 ms answers some ten of a hundred in the first second; the others wait for seconds.
    assert (tail.unanswered > len(tail.took_s) / 3) is waits


def test_who_refuses_fails_requests() -> None:
    with served("8:1") as workers:
        assert workers.stdout is not None
        address = workers.stdout.readline().strip()
        workers.terminate()
    tail = asyncio.run(load(address, rate=100, warm_s=0.0, seconds=0.3, wait_s=0.1))
    assert tail.failed > 0 == len(tail.took_s)


def test_the_figures_are_of_all_that_was_due() -> None:
    told = {"took_s": [0.001] * 98 + [0.5, 2.0], "answers": {"0": 70, "3": 30}, "failed": 1, "unanswered": 1}
    tail = tail_of(told)
    assert (tail.p50, tail.p99, tail.p999, tail.slow_share) == (1.0, 2000.0, 2000.0, 0.3)
