"""A configuration that is a Python file: it runs in a fresh child, and what the child says is read as a file is.

The child has no rights (`child.py`), a bounded time, and a bounded answer; what the file prints is kept apart. Since
the child is fresh, a reload reads imported modules anew too.
"""

import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tidegate.config.place import Place
from tidegate.config.problem import Problem
from tidegate.config.tree import Node, Source, is_like_a_secret

LONGEST_S = 30.0
"""How long the file may run."""
MOST_ANSWER = 64 * 2**20
"""Most bytes of the answer, as of a YAML file."""
MOST_PRINTED = 64 * 2**10
"""Most bytes that are kept of what the file prints; the rest is read and thrown away."""
STRANGER = "nobody"
"""Who runs the file where root reads it."""


@dataclass
class PythonSource(Source):
    """A Python file. What its values are is known by the path of keys; only exceptions have a line of their own."""

    at: tuple[int, int] = (1, 1)
    """Where it says `config = …`."""
    paths: list[str] = field(default_factory=lambda: [""])
    """The path of keys of each node; the number of a node stands in the place of its line."""

    @cached_property
    def secret_spans(self) -> list[tuple[int, int, int]]:
        """Everything that stands behind what looks like a secret's name."""
        spans: list[tuple[int, int, int]] = []
        for number, row in enumerate(self.lines, 1):
            for match in re.finditer(r"""(\w+)["']?\s*[:=]\s*""", row):
                if is_like_a_secret(match[1], self.secret_keys):
                    spans.append((number, match.end() + 1, len(row) + 1))
                    if not row[match.end() :].strip(" ({[\\"):  # the value begins on the next line
                        spans.append((number + 1, 1, 1 << 30))
                    break
        return spans

    def place(self, line: int, column: int) -> Place:
        """Name the node with the number `line`: by the place where the configuration is made, and its path of keys."""
        return Place(self.name, *self.at, keys=self._path(line))

    def problem(self, line: int, column: int, width: int, says: str, hint: str = "") -> Problem:
        """Tell a problem of the node with the number `line`, at the place where the configuration is made."""
        path = self._path(line)
        return self.problem_in_text(*self.at, len("config"), f"{path}: {says}" if path else says, hint)

    def problem_in_text(self, line: int, column: int, width: int, says: str, hint: str) -> Problem:
        """Tell a problem at a place in the text."""
        line = max(1, min(line, len(self.lines)))
        row = self.shown(line, column)
        column = max(1, min(column, len(row) + 1))
        return Problem(Place(self.name, line, column), says, row, max(1, min(width, len(row) - column + 1)), hint)

    def _path(self, number: int) -> str:
        return self.paths[number - 1] if 0 < number <= len(self.paths) else ""


@dataclass(frozen=True)
class Ran:
    """What a run came to."""

    answer: dict[str, Any] | None
    printed: str
    says: str = ""
    """Why there is no answer."""


def read_python(source: PythonSource, path: Path, environment: Mapping[str, str]) -> tuple[list[Path], str]:
    """Run the file into the source's tree or problems; gives the modules read beside it, and what it printed."""
    try:
        source.text = path.read_bytes().decode(errors="replace")
    except OSError as error:
        source.problems.append(source.problem_in_text(1, 1, 1, f"cannot be read: {error.strerror or error}", ""))
        return [], ""
    ran = run(path, environment)
    if ran.answer is None:
        source.problems.append(source.problem_in_text(1, 1, 1, ran.says, ""))
        return [], ran.printed
    try:
        _take(source, path, ran.answer)
        modules = [Path(str(each)) for each in ran.answer.get("modules", ())]
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError):
        source.problems.append(source.problem_in_text(1, 1, 1, "what the child said of this file is no answer", ""))
        return [], ran.printed
    return modules, ran.printed


def _take(source: PythonSource, path: Path, answer: dict[str, Any]) -> None:
    for told in answer.get("problems", ()):
        where = source if told["file"] == str(path.absolute()) else _beside(source, path, Path(told["file"]))
        place = int(told["line"]), int(told["column"]), int(told["width"])
        source.problems.append(where.problem_in_text(*place, str(told["says"]), str(told["hint"])))
    if "config" in answer:
        source.at = int(answer["line"]), int(answer["column"])
        source.root = nodes(answer["config"], source.paths)


def _beside(source: PythonSource, path: Path, module: Path) -> PythonSource:
    """Make the source of a module that the file imported, to show a line of it."""
    folder = path.parent.absolute()
    if not module.is_relative_to(folder):
        return source
    name = str(Path(source.name).parent / module.relative_to(folder))
    try:
        text = module.read_text(errors="replace")
    except OSError:
        text = ""
    return PythonSource(name, folder, text, source.secret_keys)


def nodes(value: Any, paths: list[str], path: str = "") -> Node:
    """Make the tree that a file with this data would have; `paths` gets each node's path of keys."""
    paths.append(path)
    number = len(paths)
    match value:
        case {"!secret": str(text)}:
            return ("secret", text, number, 1, number, 2, None)
        case dict():
            inner = []
            for key, each in value.items():
                child = nodes(each, paths, f"{path}.{key}" if path else key)
                inner.append(((key, child[2], 1, 2), child))
            return ("map", inner, number, 1, number, 2, None)
        case list():
            items = [nodes(each, paths, f"{path}[{index}]") for index, each in enumerate(value)]
            return ("list", items, number, 1, number, 2, None)
        case None:
            return ("plain", None, number, 1, number, 2, None)
        case _:
            return ("value", value, number, 1, number, 2, None)


# The child


def run(path: Path, environment: Mapping[str, str]) -> Ran:
    """Run the file in a fresh interpreter, and wait for its answer under a deadline."""
    reading, writing = os.pipe()
    try:
        process = subprocess.Popen(
            _command(writing, path.absolute()),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(writing,),
            env=dict(environment),
            start_new_session=True,
        )
    except OSError as error:
        os.close(reading)
        return Ran(None, "", f"cannot be run: {error.strerror or error}")
    finally:
        os.close(writing)
    try:
        answer, printed, says = _listen(process, reading)
    finally:
        os.close(reading)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # with all that the file has started
        code = process.wait()
        if process.stdout is not None:
            process.stdout.close()
    text = printed.decode(errors="replace")
    if says or not answer:
        return Ran(None, text, says or f"this file ended its interpreter, which {_end(code)}, before it was read")
    try:
        told = json.loads(answer)
    except (ValueError, RecursionError):
        told = None
    return Ran(told, text) if isinstance(told, dict) else Ran(None, text, "what the child said of this file is cut off")


def _command(descriptor: int, path: Path) -> list[str]:
    home = str(Path(__file__).parents[2])
    user = STRANGER if os.geteuid() == 0 else None
    program = (
        f"import sys; sys.path.append({home!r}); "
        f"from tidegate.config.child import main; main({descriptor}, {str(path)!r}, {user!r})"
    )
    return [sys.executable, "-P", "-c", program]


def _listen(process: "subprocess.Popen[bytes]", reading: int) -> tuple[bytes, bytes, str]:
    """Gather the answer, and what is printed meanwhile, until the answer's end."""
    assert process.stdout is not None
    deadline = time.monotonic() + LONGEST_S
    answer, printed = bytearray(), bytearray()
    output = process.stdout.fileno()
    os.set_blocking(output, False)
    with selectors.DefaultSelector() as waiting:
        waiting.register(reading, selectors.EVENT_READ)
        waiting.register(output, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return b"", bytes(printed), f"this file did not end within {LONGEST_S:g} s"
            for key, _ in waiting.select(left):
                if key.fd == output:
                    if not _pass_on(output, printed):
                        waiting.unregister(output)
                    continue
                piece = os.read(reading, 1 << 18)
                answer += piece
                if len(answer) > MOST_ANSWER:
                    says = f"this file makes a configuration of more than {MOST_ANSWER // 2**20} MiB"
                    return b"", bytes(printed), says
                if not piece:
                    while _pass_on(output, printed):
                        pass
                    return bytes(answer), bytes(printed), ""


def _pass_on(output: int, printed: bytearray) -> bool:
    """Keep what was printed, as far as there is room; false where nothing is there, or nothing will come."""
    try:
        piece = os.read(output, 1 << 16)
    except BlockingIOError:
        return False
    printed += piece[: MOST_PRINTED - len(printed)]
    return bool(piece)


def _end(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
