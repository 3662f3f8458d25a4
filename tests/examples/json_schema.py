"""As much of a JSON Schema validator (draft 2020-12) as our schema has words; an unknown word is an error."""

import re
from collections.abc import Iterator
from typing import Any

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
NOTES = {"title", "description", "default", "examples", "$schema", "$defs", "discriminator"}


def faults(value: Any, shape: dict[str, Any], whole: dict[str, Any], path: str = "") -> Iterator[str]:
    """Tell where a value is not of a shape."""
    for word, said in shape.items():
        match word:
            case "$ref":
                yield from faults(value, whole["$defs"][said.rpartition("/")[2]], whole, path)
            case "anyOf" | "oneOf":
                tries = [list(faults(value, each, whole, path)) for each in said]
                if all(tries):
                    yield from min(tries, key=len)
            case "type":
                if not isinstance(value, TYPES[said]) or (isinstance(value, bool) and said != "boolean"):
                    yield f"{path}: {value!r} is no {said}"
            case "enum":
                if value not in said:
                    yield f"{path}: {value!r} is none of {said}"
            case "const":
                if value != said:
                    yield f"{path}: {value!r} is not {said!r}"
            case "minimum" | "maximum":
                if isinstance(value, int | float) and (value < said if word == "minimum" else value > said):
                    yield f"{path}: {word} {said}"
            case "minLength" | "maxLength":
                if isinstance(value, str) and (len(value) < said if word == "minLength" else len(value) > said):
                    yield f"{path}: {word} {said}"
            case "minItems" | "maxItems":
                if isinstance(value, list) and (len(value) < said if word == "minItems" else len(value) > said):
                    yield f"{path}: {word} {said}"
            case "pattern":
                if isinstance(value, str) and not re.search(said, value):
                    yield f"{path}: {value!r} is not like {said}"
            case "items":
                for index, each in enumerate(value if isinstance(value, list) else ()):
                    yield from faults(each, said, whole, f"{path}[{index}]")
            case "required":
                yield from (f"{path}: {key} is missing" for key in said if isinstance(value, dict) and key not in value)
            case "properties" | "patternProperties" | "additionalProperties":
                pass
            case _ if word not in NOTES:
                yield f"{path}: the schema says `{word}`, which no editor knows"
    if isinstance(value, dict):
        yield from _of_keys(value, shape, whole, path)


def _of_keys(value: dict[str, Any], shape: dict[str, Any], whole: dict[str, Any], path: str) -> Iterator[str]:
    for key, each in value.items():
        found = [shape["properties"][key]] if key in shape.get("properties", {}) else []
        found += [said for like, said in shape.get("patternProperties", {}).items() if re.search(like, key)]
        rest = shape.get("additionalProperties", True)
        if not found and rest is False:
            yield f"{path}: unknown key {key}"
        if not found and isinstance(rest, dict):
            found = [rest]
        for said in found:
            yield from faults(each, said, whole, f"{path}.{key}")
