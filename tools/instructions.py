"""Instructions of a choice of an endpoint and its end, as callgrind counts them. `python -m tools.instructions`

The example `balance_speed` plays a balancer for some batches and for more; what the longer run took more is divided by
the choices it made more, so that making tables and starting a program do not count. Needs valgrind.
"""

import re
import subprocess
import sys

METHODS = (
    "round_robin",
    "least_requests",
    "random_two",
    "peak_ewma",
    "first",
    "hash",
    "hash, bound",
    "hash by ring",
)
COUNTS = (3, 1000)
BATCH, FEW, MANY = 500, 40, 140
EXAMPLE = ("cargo", "build", "--release", "--quiet", "--locked", "--package", "tidegate-core", "--example")


def main() -> int:
    """Print the table."""
    subprocess.run([*EXAMPLE, "balance_speed"], check=True)
    print("| balancer | " + " | ".join(f"of {count:,}" for count in COUNTS) + " |")
    print("|---|" + "---|" * len(COUNTS))
    for method in METHODS:
        print(f"| {method} | " + " | ".join(f"{a_choice(method, count):.0f}" for count in COUNTS) + " |", flush=True)
    return 0


def a_choice(method: str, count: int) -> float:
    """Instructions of one choice and one end."""
    return (instructions(method, count, MANY) - instructions(method, count, FEW)) / (BATCH * (MANY - FEW))


def instructions(method: str, count: int, batches: int) -> int:
    """What a whole run takes."""
    words = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "target/release/examples/balance_speed"]
    done = subprocess.run([*words, method, str(count), str(batches)], capture_output=True, text=True, check=True)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if found is None:
        raise RuntimeError(f"callgrind counted nothing:\n{done.stderr}")
    return int(found[1])


if __name__ == "__main__":
    sys.exit(main())
