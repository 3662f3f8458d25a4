"""Templates: text with holes, `tidegate-{request.id}`. `{{` and `}}` are braces."""

import re
from collections.abc import Iterator
from typing import Any

from tidegate.config.expression.flaw import Flaw

BRACES = "`{{` and `}}` stand for braces"
_IS_NO_HOLE = re.compile(r"""\s*("(\\.|[^"\\])*"|'(\\.|[^'\\])*'|[\w.-]+)\s*:|[^"']*;""")
"""What begins as an object of JSON does, a rule of CSS, or a block of a program; no expression does."""


def parts(text: str) -> Iterator[tuple[int, str, bool]]:
    """Give each part with where it starts, and whether it is a hole. Raises `Flaw`."""
    if "{" not in text and "}" not in text:
        yield from [(0, text, False)] if text else []
        return
    literal: list[str] = []
    at = 0
    while at < len(text):
        letter = text[at]
        if letter in "{}" and text[at : at + 2] == letter * 2:
            literal.append(letter)
            at += 2
        elif letter == "}":
            raise Flaw("has a `}` that closes nothing", at, 1, "`}}` stands for a brace")
        elif letter == "{":
            if literal:
                yield at, "".join(literal), False
                literal = []
            end = _end_of_hole(text, at)
            if _IS_NO_HOLE.match(text, at + 1, end):
                raise Flaw("has a `{` that begins a hole, and what follows is no expression", at, 1, BRACES)
            yield at + 1, text[at + 1 : end], True
            at = end + 1
        else:
            literal.append(letter)
            at += 1
    if literal:
        yield len(text), "".join(literal), False


def has_holes(parts: list[dict[str, Any]]) -> bool:
    """Say whether a compiled template has holes."""
    return any("literal" not in part for part in parts)


def literals(parts: list[dict[str, Any]]) -> str:
    """What is written out in a compiled template."""
    return "".join(part.get("literal", "") for part in parts)


def _end_of_hole(text: str, at: int) -> int:
    """Find the brace that closes the one at `at`; those in quotes do not count."""
    quote, here = "", at + 1
    while here < len(text):
        letter = text[here]
        if quote and letter == "\\":
            here += 1
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter == "}":
            if not text[at + 1 : here].strip():
                raise Flaw(
                    "has an empty `{}`",
                    at,
                    here + 1 - at,
                    "name what belongs there, as `{request.path}`, or write `{{}}`",
                )
            return here
        here += 1
    raise Flaw("has a `{` that is never closed", at, 1, "`{{` stands for a brace")
