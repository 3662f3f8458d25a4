"""Scalars on their way from the text to the models: what stands for nothing, for a variable, and whole numbers."""

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

from tidegate.config.complaint import refused


class Substituted(str):
    """Text that came out of `${NAME}`: it has no type of its own, so the schema gives it one."""

    __slots__ = ()


class Real(float):
    """A number with a fraction or an exponent, as it was written: `1e3` is not shown as 1000.0."""

    __slots__ = ("text",)

    def __new__(cls, value: float, text: str) -> "Real":
        """Keep the text beside the number."""
        made = super().__new__(cls, value)
        made.text = text
        return made

    text: str


class Empty:
    """A key without a value (`timeouts:`). YAML calls it null; here it is an error wherever it stands."""

    def __repr__(self) -> str:
        return "nothing"


EMPTY: Final = Empty()


def read_whole(given: Any) -> int:
    """Take a whole number, or a variable's text that is one; nothing is rounded, and `true` is no number."""
    if isinstance(given, Substituted) and re.fullmatch(r"[-+]?[0-9]{1,30}", given):
        return int(given)
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    hint = "write it without quotes" if isinstance(given, str) and re.fullmatch(r"[-+]?[0-9]{1,30}", given) else ""
    raise refused(f"must be a whole number, not {show(given)}", hint)


Whole = Annotated[int, BeforeValidator(read_whole)]


def show(given: Any) -> str:
    """Name what a person wrote: short values as they wrote them, others by their shape."""
    match given:
        case Empty() | None:
            return "nothing"
        case bool():
            return f"`{str(given).lower()}`"
        case int():
            return f"`{given}`"
        case Real(text=text):
            return f"`{text}`"
        case float():
            return f"`{given}`".replace("inf", ".inf").replace("nan", ".nan")
        case "":
            return 'an empty `""`'
        case str():
            return f"`{given}`" if len(given) <= 60 else f"`{given[:57]}...`"
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return "this"


def in_digits(number: float) -> str:
    """Write a number without a fraction that says nothing: `1`, not `1.0`."""
    return str(int(number) if isinstance(number, float) and number.is_integer() else number)


def one_or_more(given: Any) -> Any:
    """Let a single thing stand for a list of one."""
    return given if isinstance(given, list | tuple) else (given,)
