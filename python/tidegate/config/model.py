"""What all models of the configuration share: they are frozen, refuse unknown keys, and document themselves."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, StringConstraints, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Model(BaseModel):
    """One mapping of the configuration. Field docstrings become the JSON Schema and the reference."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    later: ClassVar[Mapping[str, str]] = {}
    """Keys that the contract names and that this version cannot do yet: the key, and what it is for."""
    short: ClassVar[str | None] = None
    """The key that a bare scalar in place of the mapping stands for."""

    @model_validator(mode="before")
    @classmethod
    def read_short_form(cls, given: Any) -> Any:
        """Let `"127.0.0.1:80"` stand for `{address: "127.0.0.1:80"}` where a model says so."""
        return {cls.short: given} if cls.short and isinstance(given, str | int | float) else given

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        long_form = handler(schema)
        if cls.short is None:
            return long_form
        inner = handler.resolve_ref_schema(long_form)["properties"][cls.short]
        return {"anyOf": [inner, long_form]}


NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
"""Names stand in logs, metrics and paths of the API, so they hold nothing that would have to be escaped there."""


Name = Annotated[str, StringConstraints(pattern=NAME)]
