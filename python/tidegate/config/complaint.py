"""What a validator says when it refuses a value; `words.py` puts the key's name before it and a hint after it."""

from collections.abc import Sequence
from typing import Literal

from pydantic_core import PydanticCustomError

Kind = Literal["refused", "later"]


def refused(
    says: str, hint: str = "", *, at: tuple[str | int, ...] = (), span: tuple[int, int] | None = None
) -> PydanticCustomError:
    """Refuse a value. `says` is a sentence, or begins with `must`, `is`, `has`, … and then speaks of the key at fault.

    `at` leads from the value to the part of it that is at fault; `span` is start and width of what is at fault within a
    text, in characters from 0.
    """
    return _complaint("refused", says, hint, at, span)


def later(what: str) -> PydanticCustomError:
    """Refuse what the contract names and this version cannot do yet."""
    return _complaint("later", f"{what} is not built yet", "")


def disagree(parts: Sequence[tuple[tuple[str | int, ...], str, str]]) -> PydanticCustomError:
    """Refuse parts that cannot stand together: the path, the sentence and the way out of each."""
    says = "; ".join(each for _, each, _ in parts)
    return PydanticCustomError("refused", "{says}", {"says": says, "hint": "", "parts": list(parts)})


def _complaint(
    kind: Kind, says: str, hint: str, at: tuple[str | int, ...] = (), span: tuple[int, int] | None = None
) -> PydanticCustomError:
    # The template has no braces of ours: what a person wrote must not be read as a template.
    return PydanticCustomError(kind, "{says}", {"says": says, "hint": hint, "at": at, "span": span})
