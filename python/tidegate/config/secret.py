"""Values that no error, log, dump, API answer or snapshot on disk may show: the configuration says where they are."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from tidegate.config.addresses import folder_of
from tidegate.config.complaint import refused

MOST_BYTES = 65_536
"""No secret is longer; a file that is, is the wrong file."""


@dataclass(frozen=True, slots=True)
class SecretTag:
    """What stood after `!secret` in a file, before the schema has looked at it. It never prints its text."""

    text: str

    def __repr__(self) -> str:
        return "SecretTag(***)"


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is: `!secret file:PATH` or `!secret env:NAME`. It is read when it is needed, never kept here."""

    kind: Literal["file", "env"]
    name: str
    """The path of the file, absolute when it came from a file, or the name of the environment variable."""

    def read(self, environment: Mapping[str, str] | None = None) -> str:
        """Read the secret; one line end behind it is not part of it. Raises `SecretUnreadable`."""
        if self.kind == "env":
            value = (os.environ if environment is None else environment).get(self.name)
            if not value:
                raise SecretUnreadable(f"the environment variable `{self.name}` holds no secret")
            return value
        try:
            with Path(self.name).open("rb") as file:
                content = file.read(MOST_BYTES + 1)
            text = content.decode()
        except OSError as error:
            raise SecretUnreadable(f"the secret in {self.name} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SecretUnreadable(f"the secret in {self.name} is not UTF-8 text") from None
        if len(content) > MOST_BYTES:
            raise SecretUnreadable(f"the secret in {self.name} is longer than {MOST_BYTES} bytes")
        text = text.removesuffix("\n").removesuffix("\r")
        if not text:
            raise SecretUnreadable(f"the secret in {self.name} is empty")
        return text

    def __str__(self) -> str:
        return f"!secret {self.kind}:{self.name}"

    @classmethod
    def find(cls, given: Any, info: ValidationInfo) -> Self:
        """Take the place of a secret, and refuse the secret itself without repeating it."""
        if isinstance(given, cls):
            return given
        way_out = "write `!secret file:PATH` or `!secret env:NAME`"
        if not isinstance(given, SecretTag):
            raise refused("is a secret, which must not stand in the file itself", way_out)
        kind, colon, name = given.text.partition(":")
        if not colon or not name or "\0" in name:
            raise refused("is a secret, and its `!secret` does not say where it is", way_out)
        if kind == "file":
            return cls("file", str(folder_of(info) / name))
        if kind == "env":
            return cls("env", name)
        raise refused("is a secret, and its `!secret` does not say where it is", way_out)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        shown = core_schema.plain_serializer_function_ser_schema(str)
        return core_schema.with_info_plain_validator_function(cls.find, serialization=shown)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "description": "`!secret file:PATH` or `!secret env:NAME`"}


class SecretUnreadable(Exception):
    """A secret is not where the configuration says. The message never holds the secret."""
