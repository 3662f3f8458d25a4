"""How a line of the access log looks: one JSON object, or words with values among them."""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

from tidegate._engine import access_log_fields
from tidegate.config.addresses import Written
from tidegate.config.complaint import refused
from tidegate.config.expression import ExchangeKey, template
from tidegate.config.expression.flaw import Flaw
from tidegate.config.scalar import show

FIELDS = dict(access_log_fields())
"""Every field of the access log, in the order of a line, and whether a line has it where none are chosen."""

COMMON = '{client} - - [{time_common}] "{method} {path} HTTP/{version}" {status} {bytes_out}'
NAMED = {"common": COMMON, "combined": f'{COMMON} "{{referer}}" "{{user_agent}}"'}
"""Formats that other programs made known."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def check_field(name: str) -> str:
    """Refuse what is no field."""
    if name not in FIELDS:
        raise refused(f"the access log has no field {show(name)}", _near(name))
    return name


def _near(name: str) -> str:
    near = difflib.get_close_matches(name, FIELDS, 1)
    return f"did you mean `{near[0]}`?" if near else ""


def read_member(given: Any) -> Any:
    """Read the name of a field, or `KEY: EXPRESSION`, which is a text under a key of its own."""
    if isinstance(given, str):
        return check_field(given)
    if not isinstance(given, Mapping) or len(given) != 1:
        raise refused(f"must be a field's name, or one key with an expression, not {show(given)}")
    ((key, written),) = given.items()
    if not isinstance(key, str) or not _NAME.fullmatch(key) or key in FIELDS:
        says = "is a field, and stands alone" if key in FIELDS else "must be a name in letters, digits and `_`"
        raise refused(f"the key {show(key)} {says}")
    try:
        return {key: ExchangeKey.read(written)}
    except PydanticCustomError as error:
        context = error.context or {}
        raise refused(context["says"], context["hint"], at=(key,), span=context["span"]) from None


Member = Annotated[str | dict[str, ExchangeKey], BeforeValidator(read_member)]


@dataclass(frozen=True)
class Format(Written):
    """`json`, `common`, `combined`, or a format string: `'{client} "{method} {path}" {status}'`."""

    text: str = "json"
    pieces: tuple[tuple[str, Any], ...] = ()
    """`("literal", …)`, `("field", …)` and `("text", …)`, one after another; none for `json`."""

    @classmethod
    def read(cls, given: Any, folder: Path) -> Self:
        """Read a name, or a format string, which has at least one value."""
        if given == "json":
            return cls()
        if not isinstance(given, str) or ("{" not in given and given not in NAMED):
            says = "must be `json`, `common`, `combined`, or a format string with fields in braces"
            raise refused(f"{says}, not {show(given)}")
        try:
            return cls(given, tuple(_pieces(NAMED.get(given, given))))
        except Flaw as flaw:
            raise refused(flaw.says, flaw.hint, span=(flaw.start, flaw.width)) from None

    def __str__(self) -> str:
        return self.text


def _pieces(text: str) -> Iterator[tuple[str, Any]]:
    if control := _CONTROL.search(text):
        raise Flaw("has a control character, and a line of the log is one line", control.start(), 1)
    for start, part, is_hole in template.parts(text):
        name = part.strip()
        if not is_hole:
            yield "literal", part
        elif name in FIELDS:
            yield "field", name
        elif name.isidentifier():
            raise Flaw(f"the access log has no field `{name}`", start + part.index(name), len(name), _near(name))
        else:
            try:
                compiled, _ = ExchangeKey.compile(part)
            except Flaw as flaw:
                raise replace(flaw, start=start + flaw.start) from None
            yield "text", compiled
