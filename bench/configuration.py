"""How long a large configuration takes, stage by stage: `python -m bench.configuration`, a table on stdout.

Every stage is measured on its own, in a fresh process, as `tidegate check --timings` shows it; the least of several
rounds is told, since whatever else runs only adds.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 3
STAGES = ("parse", "validate", "compile", "decode", "swap")


def hosts(count: int) -> str:
    """Write a configuration with this many hosts, each with an upstream of its own."""
    lines = ['listeners: {web: {bind: "127.0.0.1:0"}}', "routes:"]
    for number in range(count):
        lines += [f"  - name: host-{number}", f"    match: {{host: host-{number}.example.com}}", f"    to: up-{number}"]
    lines.append("upstreams:")
    lines += [f'  up-{n}: {{endpoints: ["10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}:80"]}}' for n in range(count)]
    return "\n".join(lines) + "\n"


def routes(count: int, *conditions: str) -> str:
    """Write a configuration with this many routes, a hundred for each host, and one upstream.

    `conditions` are what each asks for besides, with its number in the place of `N`.
    """
    lines = ['listeners: {web: {bind: "127.0.0.1:0"}}', "routes:"]
    for number in range(count):
        host, path = divmod(number, 100)
        more = "".join(f", {each}" for each in conditions).replace("N", str(number))
        lines.append(f'  - {{match: {{host: h{host}.example.com, path: "/p{path}/"{more}}}, to: api}}')
    return "\n".join([*lines, 'upstreams: {api: {endpoints: ["127.0.0.1:1"]}}']) + "\n"


CONDITIONS = ("methods: [GET, HEAD]", 'headers: {x-tenant: "N"}', 'when: \'request.cookies["beta"] == "N"\'')
"""Each is another one in each route, so that nothing is read only once."""

CASES = {
    "10,000 hosts": hosts(10_000),
    "100,000 routes": routes(100_000),
    "100,000 routes with conditions": routes(100_000, *CONDITIONS),
}


def measure(text: str) -> dict[str, float]:
    """Check a configuration, and give the seconds of each stage."""
    best: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tidegate.yaml"
        path.write_text(text)
        for _ in range(ROUNDS):
            words = [sys.executable, "-m", "tidegate", "check", str(path), "--timings"]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            for stage, seconds in re.findall(r"^(\w+): ([0-9.]+) s$", done.stderr, re.MULTILINE):
                best[stage] = min(float(seconds), best.get(stage, float("inf")))
    return best


def main() -> None:
    """Print the table."""
    print(f"| seconds | {' | '.join(STAGES)} |")
    print("|---" * (len(STAGES) + 1) + "|")
    for name, text in CASES.items():
        took = measure(text)
        print(f"| {name} | {' | '.join(f'{took[stage]:.3f}' for stage in STAGES)} |")


if __name__ == "__main__":
    main()
