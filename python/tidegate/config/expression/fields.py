"""The types of fields that hold an expression: what a person wrote, and what the core reads."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, ClassVar, Self

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from tidegate.config.complaint import refused
from tidegate.config.expression import source, template
from tidegate.config.expression.condition import condition
from tidegate.config.expression.flaw import Flaw
from tidegate.config.expression.value import Reader, Use
from tidegate.config.from_text import FromText
from tidegate.config.scalar import show

Compile = Callable[[str], tuple[Any, list[Use]]]


@dataclass(frozen=True)
class Written(FromText, ABC):
    """What reads itself from text and prints itself back. Two are equal where their texts are."""

    text: str
    """As a person wrote it."""
    compiled: Any = field(compare=False, repr=False)
    """As `crates/core/src/snapshot/document/rule.rs` reads it."""
    uses: tuple[Use, ...] = field(default=(), compare=False, repr=False)
    """What it needs of the rest of the configuration: sets that it looks into, databases."""

    noun: ClassVar[str]
    example: ClassVar[str]
    of_answer: ClassVar[bool] = False
    """Whether the words of the answer are known."""

    @classmethod
    @abstractmethod
    def compile(cls, text: str) -> tuple[Any, list[Use]]:
        """Make what the core reads. Raises `Flaw`."""

    @classmethod
    def read(cls, given: Any) -> Self:
        """Read the text, or refuse it with the place inside it."""
        if isinstance(given, cls):
            return given
        if not isinstance(given, str):
            hint = "quote it" if isinstance(given, bool | int | float) else ""
            raise refused(f"must be {cls.noun}, as `{cls.example}`, not {show(given)}", hint)
        found = _compiled(cls.compile, str(given))
        if isinstance(found, Flaw):
            raise refused(found.says, found.hint, span=(found.start, found.width))
        compiled, uses = found
        return cls(str(given), compiled, uses)

    def __str__(self) -> str:
        return self.text

    @classmethod
    def _reader(cls, text: str) -> Reader:
        return Reader(text, of_answer=cls.of_answer, condition=condition)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "examples": [cls.example]}


@lru_cache(4_096)
def _compiled(compiler: Compile, text: str) -> tuple[Any, tuple[Use, ...]] | Flaw:
    """Compile once what stands in many routes. What comes of it is never changed."""
    try:
        compiled, uses = compiler(text)
    except Flaw as flaw:
        return flaw
    return compiled, tuple(uses)


class Expression(Written):
    """A condition over the request: `request.method == "POST" and client.ip in ["10.0.0.0/8"]`."""

    noun = "an expression"
    example = 'request.headers["x-beta"] == "1"'

    @classmethod
    def compile(cls, text: str) -> tuple[Any, list[Use]]:
        """Make the condition."""
        reader = cls._reader(text)
        return condition(reader, source.parse(text)), reader.uses


class Key(Written):
    """One text of the request, by which it is told from others: `request.cookies["session"]`, `client.ip`."""

    noun = "an expression"
    example = "client.ip"

    @classmethod
    def compile(cls, text: str) -> tuple[Any, list[Use]]:
        """Make the text."""
        reader = cls._reader(text)
        return reader.text_of(reader.value(source.parse(text))), reader.uses


class Template(Written):
    """Text with holes: `https://new.example.com{request.uri}`. `{{` and `}}` are braces."""

    noun = "text"
    example = "https://new.example.com{request.uri}"

    @classmethod
    def compile(cls, text: str) -> tuple[Any, list[Use]]:
        """Make the parts, one behind the other."""
        made: list[Any] = []
        uses: list[Use] = []
        for start, part, is_hole in template.parts(text):
            if not is_hole:
                made.append({"literal": part})
                continue
            reader = cls._reader(part)
            try:
                made.append(reader.text_of(reader.value(source.parse(part))))
            except Flaw as flaw:
                raise replace(flaw, start=start + flaw.start) from None
            uses += (replace(use, start=start + use.start) for use in reader.uses)
        return made, uses


class HeaderTemplate(Template):
    """A template for the value of a header: what is written out holds no control character."""

    example = "tidegate-{request.id}"

    @classmethod
    def compile(cls, text: str) -> tuple[Any, list[Use]]:
        """Make the parts, and refuse what would end the header (RFC 9110, section 5.5)."""
        if control := re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text):
            says = "has a line end" if control[0] in "\r\n" else "has a control character"
            raise Flaw(f"{says}, and the value of a header is one line", control.start(), 1)
        return super().compile(text)


class ExchangeExpression(Expression):
    """A condition over the request and its answer: `response.status >= 500 or response.duration > 1`."""

    example = "response.status >= 500"
    of_answer = True


class ExchangeKey(Key):
    """One text of the request or its answer."""

    of_answer = True


class ExchangeTemplate(Template):
    """Text with holes for words of the request and its answer."""

    example = "{client.ip} {request.method} {request.uri} {response.status}"
    of_answer = True
