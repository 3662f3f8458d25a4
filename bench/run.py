"""`python -m bench.run [--case NAME] [--rounds N] [--seconds S] [--peer NAME] [--strace] [--save]`; `make bench` saves.

For a quick look: `python -m bench.run --case 1k --rounds 1 --seconds 2`.
"""

import argparse
import resource
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from bench.cases import CASES, Case
from bench.loader import Result, hold_idle, median, read_calls, run_load, system_calls
from bench.peers import PEERS, Peer, experiment, origin
from bench.results import save
from bench.table import NOTE, TITLE, render


def main() -> int:
    """Measure, and print the table."""
    options = read_options()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if options.tidegate_command:
        PEERS["tidegate"] = experiment(options.tidegate_command)
    cases = [case for case in CASES if not options.case or case.name in options.case]
    names = [name for name in PEERS if not options.peer or name in options.peer]
    results: dict[tuple[str, str], Result] = {}
    calls: dict[str, str] = {}
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="tidegate-bench-") as shm:
        folder = Path(shm)
        source = origin(folder)
        try:
            for together in grouped(cases):
                results |= measure(together, names, options.rounds, options.seconds, folder, source)
            if options.strace:
                calls = count_calls(names, folder, source)
        finally:
            source.end()
    text = render(results, cases, calls)
    print(text)
    if options.save:
        save(TITLE, NOTE, text, rounds=options.rounds, seconds=options.seconds)
    return 0


def grouped(cases: list[Case]) -> list[list[Case]]:
    """Cases in the order of the table; those that are compared with one another are measured in the same rounds."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.beside or case.name, []).append(case)
    return list(groups.values())


def measure(
    cases: list[Case], names: list[str], rounds: int, seconds: float, folder: Path, source: Peer
) -> dict[tuple[str, str], Result]:
    """All rounds of some cases, the proxies in turn, a different one first in each round."""
    if cases[0].unit == "KiB":
        return {(case.name, name): idle(case, name, folder, source) for case in cases for name in names}
    pairs: list[tuple[Case, Peer]] = []
    rows: dict[tuple[str, str], list[Result]] = defaultdict(list)
    try:
        for name in names:
            for case in cases:
                pairs.append((case, PEERS[name](case, folder / f"{case.name}-{name}", source.address)))
                run_load(*pairs[-1], 1, folder)  # warm
        for number in range(rounds):
            at = number % len(pairs)
            for case, peer in pairs[at:] + pairs[:at]:
                result = run_load(case, peer, seconds, folder)
                rows[case.name, peer.name].append(result)
                print(f"{case.name} round {number + 1}: {peer.name} {result}", file=sys.stderr)
    finally:
        for _, peer in pairs:
            peer.end()
    return {key: median(results) for key, results in rows.items()}


def idle(case: Case, name: str, folder: Path, source: Peer) -> Result:
    """What an idle connection costs in memory, in a fresh process."""
    peer = PEERS[name](case, folder / f"{case.name}-{name}", source.address)
    try:
        run_load(CASES[0], peer, 1, folder)  # so that what is needed once is there
        return hold_idle(case, peer)
    finally:
        peer.end()


def count_calls(names: list[str], folder: Path, source: Peer) -> dict[str, str]:
    """System calls a request in the first case."""
    told = {}
    for name in names:
        peer = PEERS[name](CASES[0], folder / f"strace-{name}", source.address)
        try:
            run_load(CASES[0], peer, 1, folder)
            path = folder / f"strace-{name}.txt"
            with system_calls(peer, path):
                result = run_load(CASES[0], peer, 4, folder)
            requests = result.per_second * 4
            each = {call: count / requests for call, count in read_calls(path).items() if count / requests > 0.005}
            told[name] = ", ".join(f"{call} {number:.2f}" for call, number in each.items())
        finally:
            peer.end()
    return told


def read_options() -> argparse.Namespace:
    """The words after the command."""
    parser = argparse.ArgumentParser(prog="bench.run", description="CPU a request beside nginx and HAProxy.")
    parser.add_argument("--case", action="append", choices=[case.name for case in CASES])
    parser.add_argument("--peer", action="append", choices=list(PEERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--strace", action="store_true", help="count system calls too")
    parser.add_argument("--save", action="store_true", help="write the section of RESULTS.md")
    parser.add_argument("--tidegate-command", help="another program in Tidegate's place, with {listen} and {upstream}")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
