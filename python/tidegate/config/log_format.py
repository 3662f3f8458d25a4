"""How a line of the access log looks: one JSON object, or words with the values of fields among them."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator

from tidegate._engine import access_log_fields
from tidegate.config.addresses import Written
from tidegate.config.complaint import refused
from tidegate.config.scalar import show

FIELDS = dict(access_log_fields())
"""Every field of the access log, in the order of a line, and whether a line has it where none are chosen."""

COMMON = '{client} - - [{time_common}] "{method} {path} HTTP/{version}" {status} {bytes_out}'
NAMED = {"common": COMMON, "combined": f'{COMMON} "{{referer}}" "{{user_agent}}"'}
"""Formats that other programs made known."""

_PIECES = re.compile(r"(?P<brace>\{\{|\}\})|\{(?P<field>[^{}]*)\}|(?P<stray>[{}])|(?P<text>[^{}]+)")


def check_field(name: str) -> str:
    """Refuse what is no field."""
    if name not in FIELDS:
        near = difflib.get_close_matches(name, FIELDS, 1)
        raise refused(f"the access log has no field {show(name)}", f"did you mean `{near[0]}`?" if near else "")
    return name


FieldName = Annotated[str, AfterValidator(check_field)]


@dataclass(frozen=True)
class Format(Written):
    """`json`, `common`, `combined`, or a format string: `'{client} "{method} {path}" {status}'`."""

    text: str = "json"
    pieces: tuple[tuple[str, str], ...] = ()
    """`("literal", …)` and `("field", …)`, one after another; none for `json`."""

    @classmethod
    def read(cls, given: Any, folder: Path) -> Self:
        """Read a name, or a format string, which has at least one field."""
        if given == "json":
            return cls()
        if not isinstance(given, str) or ("{" not in given and given not in NAMED):
            says = "must be `json`, `common`, `combined`, or a format string with fields in braces"
            raise refused(f"{says}, not {show(given)}")
        return cls(given, tuple(_join(_pieces(NAMED.get(given, given)))))

    def __str__(self) -> str:
        return self.text


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text):
        raise refused("holds a control character, and a line of the log is one line")
    for found in _PIECES.finditer(text):
        if found["stray"]:
            says = "a brace that is not closed" if found["stray"] == "{" else "a `}` that closes nothing"
            raise refused(f"has {says}", "`{{` and `}}` stand for braces")
        if found["field"] is not None:
            yield "field", check_field(found["field"].strip())
        else:
            yield "literal", found["brace"][0] if found["brace"] else found["text"]


def _join(pieces: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    literal = ""
    for kind, text in pieces:
        if kind == "literal":
            literal += text
            continue
        if literal:
            yield "literal", literal
        yield kind, text
        literal = ""
    if literal:
        yield "literal", literal
