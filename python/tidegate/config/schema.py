"""The JSON Schema of the configuration, for editors: made of the models, as the reference is."""

from typing import Any

from tidegate.config.config import Config

KEYWORDS = {"ge": "minimum", "le": "maximum"}
"""What pydantic calls a bound of a value that a validator of ours has read, and what JSON Schema calls it."""


def schema() -> dict[str, Any]:
    """Make the JSON Schema (draft 2020-12). It knows types and names; what parts must agree on, only `check` knows."""
    made = Config.model_json_schema(by_alias=True, mode="validation")
    made["$defs"] = {name: _mend(each) for name, each in made["$defs"].items()}
    made["properties"] = {name: _mend(each) for name, each in made["properties"].items()}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": "Tidegate configuration"}


def _mend(shape: Any) -> Any:
    """Call bounds by the names that editors know, and count entries as entries where one may stand without its list."""
    if not isinstance(shape, dict):
        return shape
    mended: dict[str, Any] = {}
    for name, value in shape.items():
        if name in ("properties", "patternProperties"):
            mended[name] = {key: _mend(each) for key, each in value.items()}
        elif name in ("anyOf", "oneOf", "allOf"):
            mended[name] = [_mend(each) for each in value]
        elif name in ("items", "additionalProperties"):
            mended[name] = _mend(value)
        else:
            mended[KEYWORDS.get(str(name), str(name))] = value
    if "anyOf" in mended and (least := mended.pop("minLength", None)) is not None:
        for each in mended["anyOf"]:
            if each.get("type") == "array":
                each["minItems"] = least
    if "patternProperties" in mended:
        mended.setdefault("additionalProperties", False)  # a name that is none
    return mended
