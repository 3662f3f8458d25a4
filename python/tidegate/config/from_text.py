"""Values that read themselves from what a person wrote, wherever it stands, and print themselves back."""

from typing import Any, Self

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


class FromText:
    """Such a value."""

    @classmethod
    def read(cls, given: Any) -> Self:
        """Read the text, or refuse it in words that name the way out."""
        raise NotImplementedError

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        shown = core_schema.plain_serializer_function_ser_schema(str)
        return core_schema.no_info_plain_validator_function(cls.read, serialization=shown)
