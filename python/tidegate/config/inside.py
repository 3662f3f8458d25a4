"""Where in a file a part of a scalar stands: through quotes, escapes, folded lines and indentation."""

from collections.abc import Callable, Sequence
from typing import Any

Node = tuple[str, Any, int, int, int, int, str | None]
Place = tuple[int, int]
"""Line and column, from 0."""

_ESCAPED = {"0": "\0", "a": "\a", "b": "\b", "t": "\t", "\t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"}
_ESCAPED |= {
    "e": "\x1b",
    " ": " ",
    '"': '"',
    "/": "/",
    "\\": "\\",
    "N": "\x85",
    "_": "\xa0",
    "L": "\u2028",
    "P": "\u2029",
}
_HEX = {"x": 2, "u": 4, "U": 8}
"""YAML 1.2.2, section 5.7."""


def inside(lines: Sequence[str], node: Node, start: int, width: int) -> tuple[int, int, int] | None:
    """Give line, column and width of a part of a scalar's text; none where that cannot be told.

    Where a variable was replaced, what the text became is not what stands in the file.
    """
    kind, value, line, column = node[0], node[1], node[2], node[3]
    if kind not in ("plain", "quoted") or not isinstance(value, str) or "${" in value:
        return None
    begin = (line - 1, column - 1)
    opening = lines[line - 1][column - 1 : column]
    ways: list[tuple[Place, Callable[[str], tuple[str, int]]]] = [(begin, lambda rest: (rest[0], 1))]
    if kind == "quoted" and opening in ("'", '"'):
        ways.insert(0, ((line - 1, column), _single if opening == "'" else _double))
    for first, step in ways:
        places = _walk(lines, value, first, step)
        if places is not None:
            return _covered(lines, places, start, width)
    return None


def _walk(lines: Sequence[str], value: str, at: Place, step: Callable[[str], tuple[str, int]]) -> list[Place] | None:
    """Find where each character of the text stands, and what is behind the last; none where text and file differ."""
    places: list[Place] = []
    for letter in value:
        if letter in " \n":
            places.append(at)
            at = _pass_blank(lines, at)
            continue
        at = _pass_blanks(lines, at)
        if at[0] >= len(lines) or at[1] >= len(lines[at[0]]):
            return None
        found, taken = step(lines[at[0]][at[1] :])
        if found != letter:
            return None
        places.append(at)
        at = (at[0], at[1] + taken)
    return [*places, at]


def _pass_blank(lines: Sequence[str], at: Place) -> Place:
    """Pass one blank, or the end of a line."""
    line, column = at
    if line < len(lines) and column < len(lines[line]):
        return (line, column + 1) if lines[line][column] in " \t" else at
    return (line + 1, 0) if line + 1 < len(lines) else at


def _pass_blanks(lines: Sequence[str], at: Place) -> Place:
    while (after := _pass_blank(lines, at)) != at:
        at = after
    return at


def _covered(lines: Sequence[str], places: Sequence[Place], start: int, width: int) -> tuple[int, int, int]:
    first = places[min(start, len(places) - 1)]
    if start < len(places) - 2:  # a blank that stands for a folded line lies before the next letter
        line, column = first
        if column >= len(lines[line]) and places[start + 1][0] != line:
            first = places[start + 1]
    last = places[max(0, min(start + width - 1, len(places) - 1))]
    behind = last[1] + 1 if last[0] == first[0] else len(lines[first[0]].rstrip())
    return first[0] + 1, first[1] + 1, max(1, behind - first[1])


def _single(rest: str) -> tuple[str, int]:
    return ("'", 2) if rest.startswith("''") else (rest[0], 1)


def _double(rest: str) -> tuple[str, int]:
    if rest[0] != "\\" or len(rest) < 2:
        return rest[0], 1
    digits = _HEX.get(rest[1])
    if digits is None:
        return _ESCAPED.get(rest[1], ""), 2
    try:
        return chr(int(rest[2 : 2 + digits], 16)), 2 + digits
    except (ValueError, OverflowError):
        return "", 2
