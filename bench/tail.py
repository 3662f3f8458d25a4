"""What clients wait under each balancer, on sockets. `python -m bench.tail [--rounds N] [--seconds S] [--save]`

Four endpoints with 8 workers each, of which one is ten times as slow (100 ms in place of 10 ms, exponentially
distributed), and open-loop load at 60 % of what they could serve together. All balancers take turns in each round, each
in a fresh proxy that has some seconds to learn. The proxy has core 0, the endpoints and the load core 1.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.balancers import BALANCERS, Balanced
from bench.peers import LOADER_CORE
from bench.results import save
from bench.table import lines_of

WORK = ((8, 10), (8, 10), (8, 10), (8, 100))
"""Workers, and the milliseconds of a request, of each endpoint."""
RATE = 0.6 * sum(workers * 1000 / service for workers, service in WORK)
WARM_S, WAIT_S = 5.0, 5.0
TITLE = "# The tail under each balancer"
NOTE = """\
Made by `python -m bench.tail`: {rounds} interleaved rounds of {seconds} s after {warm:.0f} s of warming up, medians.
{versions}.

Four endpoints with 8 workers each; a request takes 10 ms at three of them and 100 ms at the fourth, exponentially
distributed; {rate:.0f} requests a second come by chance, 60 % of what the endpoints could serve together, whatever
became of those before (open loop, times counted from when a request was due). "from the slow one" is its share of the
answers; 25 % is an even share, and 5.4 % of this load is all that it can serve. Requests without an answer {wait:.0f} s
after the last one count as having taken until then; their number is in the last column. Measured on {date}.
"""


@dataclass(frozen=True, slots=True)
class Tail:
    """What clients waited in one round, in milliseconds, or the medians of many."""

    p50: float
    p99: float
    p999: float
    slow_share: float
    failed: float
    unanswered: float


def main() -> int:
    """Measure, and print the table."""
    options = read_options()
    rows: dict[str, list[Tail]] = defaultdict(list)
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tidegate-tail-") as shm:
        for number in range(options.rounds):
            for at, balanced in enumerate(BALANCERS):
                tail = play(balanced, Path(shm) / f"{number}-{at}", options.seconds)
                rows[balanced.title].append(tail)
                print(f"round {number + 1}: {balanced.title} {tail}", file=sys.stderr)
    text = render({title: median(tails) for title, tails in rows.items()})
    print(text)
    if options.save:
        save(TITLE, NOTE, text, rounds=options.rounds, seconds=options.seconds, warm=WARM_S, wait=WAIT_S, rate=RATE)
    return 0


def play(balanced: Balanced, folder: Path, seconds: float) -> Tail:
    """One round with fresh endpoints and a fresh proxy."""
    with ExitStack() as stack:
        words = [sys.executable, "-m", "bench.workers", *(f"{workers}:{service}" for workers, service in WORK)]
        workers = subprocess.Popen(
            ["taskset", "-c", LOADER_CORE, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        stack.callback(workers.wait, 10)
        stack.callback(workers.terminate)
        assert workers.stdout is not None
        endpoints = [workers.stdout.readline().strip() for _ in WORK]
        peer = balanced.begin(folder, endpoints)
        stack.callback(peer.end)
        figures = [str(each) for each in (RATE, WARM_S, seconds, WAIT_S)]
        words = ["taskset", "-c", LOADER_CORE, sys.executable, "-m", "bench.open_loop", peer.address, *figures]
        told = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    return tail_of(told)


def tail_of(told: dict[str, Any]) -> Tail:
    """Take the figures out of what the load printed."""
    took = sorted(told["took_s"])
    p50, p99, p999 = (took[min(int(share * len(took)), len(took) - 1)] * 1000 for share in (0.5, 0.99, 0.999))
    slow = told["answers"].get(str(len(WORK) - 1), 0) / sum(told["answers"].values())
    return Tail(p50, p99, p999, slow, told["failed"], told["unanswered"])


def median(tails: list[Tail]) -> Tail:
    """Each figure's median; failures are added up."""
    middle = {name: statistics.median(getattr(each, name) for each in tails) for name in Tail.__slots__}
    return Tail(**{**middle, "failed": sum(each.failed for each in tails)})


def render(tails: dict[str, Tail]) -> str:
    """The table in Markdown."""
    head = ("balancer", "p50 ms", "p99 ms", "p99.9 ms", "from the slow one", "failed", "unanswered")
    rows = [
        (
            title,
            *(f"{each:,.0f}" for each in (tail.p50, tail.p99, tail.p999)),
            f"{tail.slow_share:.1%}",
            f"{tail.failed:.0f}",
            f"{tail.unanswered:.0f}",
        )
        for title, tail in tails.items()
    ]
    return lines_of([head, *rows], left=1)


def read_options() -> argparse.Namespace:
    """The words after the command."""
    parser = argparse.ArgumentParser(prog="bench.tail", description="What clients wait, by balancer.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--save", action="store_true", help="write the section of RESULTS.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
