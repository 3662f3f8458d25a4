"""A file as its text and its tree of nodes, and where in it a path of keys leads."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from tidegate._engine import parse_yaml
from tidegate.config.hints import nearest
from tidegate.config.place import Place
from tidegate.config.problem import Problem
from tidegate.config.scalar import EMPTY, Real
from tidegate.config.secret import SecretTag
from tidegate.config.variables import Unset, substitute

Node = tuple[str, Any, int, int, int, int, str | None]
"""`(kind, value, line, column, end_line, end_column, text)`, as `crates/python/src/yaml.rs` makes them."""
Key = tuple[str, int, int, int]
"""`(name, line, column, end_column)`."""

MASK = "***"
_LINE_END = re.compile(r"\r\n|\n|\r")


@dataclass
class Source:
    """One file of a configuration."""

    name: str
    """As the person named it; it begins each problem."""
    folder: Path
    """Where its relative paths begin."""
    text: str
    secret_keys: frozenset[str]
    """Names of keys whose values must never be shown."""
    root: Node | None = None
    problems: list[Problem] = field(default_factory=list)

    @cached_property
    def secret_spans(self) -> list[tuple[int, int, int]]:
        """Line, column and end of what could be a secret."""
        by_look = _spans_by_look(self.lines, self.secret_keys)
        if self.root is None:
            return by_look
        spans = list(_secret_spans(self.root, self.secret_keys))
        told = {line for line, _, _ in spans}
        # What the tree takes for plain text may still have been meant as a key with its secret.
        return spans + [span for span in by_look if span[0] not in told]

    @cached_property
    def lines(self) -> list[str]:
        """The lines as they stand in the file. Only `shown` may show them to a person."""
        return _LINE_END.split(self.text)

    def shown(self, line: int, column: int) -> str:
        """Show a line with what could be a secret masked, and the given column still where it was."""
        row = self.lines[line - 1]
        for at, start, end in sorted(self.secret_spans, reverse=True):
            if at == line and row[start - 1 : end - 1].strip():
                # A column behind the secret tells its length anyway.
                mask = MASK if column <= start else "*" * (min(end, len(row) + 1) - start)
                row = row[: start - 1] + mask + row[end - 1 :]
        # A tab would stand wider in the terminal than the caret's spaces below it.
        return row.replace("\t", " ").rstrip()

    def place(self, line: int, column: int) -> Place:
        """Name a place in this file."""
        return Place(self.name, line, column)

    def problem(self, line: int, column: int, width: int, says: str, hint: str = "") -> Problem:
        """Tell a problem at a place in this file."""
        if not any(row.strip() for row in self.lines[line - 1 :]):
            # Nothing is there any more: what is missing is missing after the last line that has something.
            line = max((at for at, row in enumerate(self.lines, 1) if row.strip()), default=1)
            column = max(1, len(self.lines[line - 1].rstrip()) + 1)
        row = self.shown(line, column)
        width = max(1, min(width, len(row) - column + 1))
        return Problem(self.place(line, column), says, row, width, hint)


def parse(source: Source) -> None:
    """Read the source's text into its tree; what is wrong goes to its problems."""
    root, faults = parse_yaml(source.text)
    source.root = root
    for line, column, width, says, hint in faults:
        if any(at == line and start <= column < end for at, start, end in source.secret_spans):
            # The words could repeat what stands there.
            says, hint = "what stands here is no YAML, and could be a secret", "write `!secret file:PATH`"
        source.problems.append(source.problem(line, column, width, says, hint))


def decode(content: bytes) -> str | tuple[int, int, str, str]:
    """Decode a file, or tell line, column, reason and way out."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return (1, 1, "this file is UTF-16, and a configuration is UTF-8", "save it as UTF-8")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start].decode()
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        return (line, column, f"the byte 0x{content[error.start]:02x} is not UTF-8", "save the file as UTF-8")
    return text.removeprefix("\ufeff")


def plain(node: Node, environment: Mapping[str, str] | None, unset: list[tuple[Node, Unset]]) -> Any:
    """Make plain data of a tree: dicts, lists and scalars, with variables replaced where there is an environment."""
    kind, value = node[0], node[1]
    if kind == "map":
        return {key[0]: plain(child, environment, unset) for key, child in value}
    if kind == "list":
        return [plain(child, environment, unset) for child in value]
    if value is None:
        return EMPTY
    if isinstance(value, str):
        if "${" in value and environment is not None:
            try:
                value = substitute(value, environment)
            except Unset as reason:
                unset.append((node, reason))
        return SecretTag(value) if kind == "secret" else value
    return Real(value, node[6]) if isinstance(value, float) and node[6] else value


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a path of keys leads: the key it ends with, if it ends with one, and the value there."""

    source: Source
    key: Key | None
    node: Node | None
    whole: bool
    """Whether the whole path was there; else the spot is as near as it came."""

    def at_value(self) -> tuple[int, int, int]:
        """Line, column and width of the value, or of its key where the value is a block of lines."""
        if self.node is None:
            return self.at_key()
        kind, value, line, column, end_line, end_column, _ = self.node
        blank = kind == "plain" and value is None
        if self.key is not None and (blank or (kind in ("map", "list") and end_line != line)):
            return self.at_key()
        if kind in ("map", "list") and end_line != line:
            return line, column, _width_of_first_key(self.node)
        return line, column, end_column - column if end_line == line else len(self.source.lines[line - 1])

    def at_key(self) -> tuple[int, int, int]:
        """Line, column and width of the key, or of the value where there is no key."""
        if self.key is not None:
            _, line, column, end_column = self.key
            return line, column, end_column - column
        if self.node is None:
            return 1, 1, 1
        _, _, line, column, end_line, end_column, _ = self.node
        return line, column, end_column - column if end_line == line else _width_of_first_key(self.node)

    def place(self) -> Place:
        """Where a person would look for it: at the key, or at the value where there is no key."""
        line, column, _ = self.at_key()
        return self.source.place(line, column)


def follow(source: Source, key: Key | None, node: Node | None, path: Sequence[str | int]) -> Spot:
    """Follow a path of keys and indices as far as it leads; steps that only the models know are passed over."""
    whole = True
    for step in path:
        found = _step(node, step)
        if found is None:
            whole = False
            continue
        key, node = found
    return Spot(source, key, node, whole)


def _step(node: Node | None, step: str | int) -> tuple[Key | None, Node] | None:
    if node is None:
        return None
    if node[0] == "map" and isinstance(step, str):
        return next(((key, child) for key, child in node[1] if key[0] == step), None)
    if node[0] == "list" and isinstance(step, int) and step < len(node[1]):
        return None, node[1][step]
    return None


def entries(node: Node | None) -> Iterable[tuple[Key, Node]]:
    """List the entries of a mapping; nothing for anything else."""
    return node[1] if node is not None and node[0] == "map" else ()


def _width_of_first_key(node: Node) -> int:
    if node[0] == "map" and node[1]:
        _, line, column, end_column = node[1][0][0]
        return end_column - column if line == node[2] else 1
    return 1


PLAIN: Final = "secure"
"""A key, and a likely name of a listener, that holds no secret, however near it is to `secret`."""


def is_like_a_secret(key: str, names: frozenset[str]) -> bool:
    """Say whether a key is, or could be a misspelling of, one whose value must never be shown."""
    is_near = key != PLAIN and nearest(key, names, cutoff=0.7) is not None
    return is_near or any(name in key.lower() for name in names)


def _secret_spans(node: Node, names: frozenset[str], secret: bool = False) -> Iterator[tuple[int, int, int]]:
    """Find what could be a secret: values of keys named like one, and what `!secret` gives away by mistake."""
    kind, value, line, column, end_line, end_column, _ = node
    if kind == "map":
        for key, child in value:
            yield from _secret_spans(child, names, secret or is_like_a_secret(key[0], names))
    elif kind == "list":
        for child in value:
            yield from _secret_spans(child, names, secret)
    elif kind == "secret":
        if not value.startswith(("file:", "env:")):
            yield from _lines_of(line, column + len("!secret "), end_line, end_column)
    elif secret and value is not None:
        yield from _lines_of(line, column, end_line, end_column)


def _lines_of(line: int, column: int, end_line: int, end_column: int) -> Iterator[tuple[int, int, int]]:
    if line == end_line:
        yield line, column, end_column
        return
    yield line, column, 1 << 30
    for between in range(line + 1, end_line):
        yield between, 1, 1 << 30
    if end_column > 1:
        yield end_line, 1, end_column


_COULD_BE_SECRET = re.compile(
    r"""["']?(?P<key>[A-Za-z_-]+)["']?\s*:\s*(?!!secret\s+(?:file|env):)(?=\S)|!secret\s+(?!file:|env:)(?=\S)"""
)


def _spans_by_look(lines: list[str], names: frozenset[str]) -> list[tuple[int, int, int]]:
    """Mask by the look of the lines, where the text is no YAML and has no tree: rather too much than too little."""
    spans: list[tuple[int, int, int]] = []
    awaited = False
    below: int | None = None  # lines indented deeper than this belong to the key above
    for number, row in enumerate(lines, 1):
        indent = len(row) - len(row.lstrip())
        if below is not None and (indent > below or not row.strip()):
            spans.append((number, indent + 1, len(row) + 1))
            continue
        below = None
        if awaited and row.lstrip().startswith(":"):
            spans.append((number, indent + 2, len(row) + 1))
            continue
        last = (row.rstrip(" :\"'").split() or [""])[-1].strip("{[,\"'")
        if is_like_a_secret(last, names):
            # `token:` or `? token`: its value is on the lines below.
            awaited, below = True, indent
        else:
            awaited = False
        for match in _COULD_BE_SECRET.finditer(row):
            if match["key"] is None or is_like_a_secret(match["key"], names):
                spans.append((number, match.end() + 1, len(row) + 1))
                below = indent
                break
    return spans
