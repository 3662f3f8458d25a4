"""Draws `docs/demo.svg`: the demo in one terminal and a user in another, with what both really printed.

Run it after changing the demo: `.venv/bin/python tools/demo_picture.py`. It needs curl and the demo's own ports.
"""

import re
import subprocess
import sys
from html import escape
from pathlib import Path

TO = Path(__file__).parent.parent / "docs" / "demo.svg"
PROXY = "http://127.0.0.1:8080"
COMMANDS = [
    f"for i in 1 2 3 4; do curl -s {PROXY}/hello | grep backend; done",
    "kill {victim}   # one of the three",
    f"for i in 1 2 3 4; do curl -s {PROXY}/hello | grep backend; done",
    f"curl -s {PROXY}/healthz",
    f"curl -si --path-as-is {PROXY}/a/../b",
    "curl -s http://127.0.0.1:9901/metrics | grep 'connect_failures.* 1$'",
]
WIDTH, LINE, LETTER, EDGE = 118, 18, 7.83, 18


def main() -> None:
    """Run the demo, try it, and draw both."""
    words = [sys.executable, "-m", "tidegate", "demo"]
    demo = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert demo.stdout is not None
    said = []
    for line in demo.stdout:
        said.append(line.rstrip("\n"))
        if line.startswith("Ctrl-C"):
            break
    victim = next(found[1] for line in said if (found := re.match(r"  kill (\d+)", line)))
    tried = []
    for command in COMMANDS:
        words = ["bash", "-c", command.format(victim=victim)]
        printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        tried += ["$ " + command.format(victim=victim), *printed.replace("\r", "").splitlines()]
    demo.terminate()
    demo.wait()
    begin = next(index for index, line in enumerate(said) if line.startswith("ready"))
    left = ["$ make demo", *(line for line in said[begin:] if "python -m" not in line and "change it" not in line)]
    TO.write_text(draw([squeeze(left), squeeze(tried)]))


def squeeze(lines: list[str]) -> list[str]:
    """Leave out all but one of several empty lines."""
    return [line for index, line in enumerate(lines) if line or (index and lines[index - 1])]


def draw(terminals: list[list[str]]) -> str:
    """One terminal below the other."""
    top, parts = EDGE, []
    for lines in terminals:
        height = len(lines) * LINE + 2 * EDGE
        parts.append(f'<rect x="0" y="{top - EDGE}" width="100%" height="{height}" rx="8" fill="#1d2228"/>')
        for line in lines:
            top += LINE
            colour = "#8fd19e" if line.startswith("$ ") else "#d7dde4"
            text = escape(line if len(line) <= WIDTH else line[: WIDTH - 1] + "…")
            parts.append(f'<text x="{EDGE}" y="{top}" fill="{colour}" xml:space="preserve">{text}</text>')
        top += 3 * EDGE
    width = round(WIDTH * LETTER + 2 * EDGE)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top - 2 * EDGE + 6}"'
    font = 'font-family="ui-monospace, \'DejaVu Sans Mono\', Menlo, Consolas, monospace" font-size="13"'
    title = "<title>The demo: three backends behind tidegate, and what a user sees of one that ends</title>"
    return "\n".join([f"{head} {font}>", title, *parts, "</svg>", ""])


if __name__ == "__main__":
    main()
