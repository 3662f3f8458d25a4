"""The JSON Schema of the configuration, for editors: made of the models, as the reference is."""

from typing import Any

from tidegate.config.config import Config


def schema() -> dict[str, Any]:
    """Make the JSON Schema (draft 2020-12). It knows types and names; what parts must agree on, only `check` knows."""
    made = Config.model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "Tidegate configuration"}
