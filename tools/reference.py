"""Makes `docs/reference.md` out of the models: each key with its type, default and meaning."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_core import PydanticUndefined

from tidegate.config.config import Config
from tidegate.config.effective import in_one_line
from tidegate.config.hedge import Percentile
from tidegate.config.model import Model
from tidegate.config.quantities import ByteRate, Duration, Rate, Size
from tidegate.config.schema import schema
from tidegate.config.words import annotations_at

HEAD = """\
# The configuration, key by key

Made of the models by `make docs`, so that it tells what this version does. [Examples](../examples/README.md) are whole
configurations, [expressions.md](expressions.md) tells what a condition or a template may say, and
`tidegate check CONFIG --effective` prints every value that holds.

The same names hold in YAML and in a [Python file](python.md): `tidegate.Listener(bind=":8080")` is
`{bind: ":8080"}`. A key that Python has taken gets an underscore there: `from_`, `with_`. Paths are relative to the
file's folder.
"""

UNITS = {
    Duration: "duration, as `250ms`, `2s`, `1m`, `1h`",
    Size: "size, as `64KiB`, `10MB`",
    ByteRate: "rate, as `240B/s`",
    Rate: "rate, as `10/s`, `5/m`",
    Percentile: "percentile, as `p95`",
}


def make_reference() -> str:
    """Write the whole page."""
    defs = schema()["$defs"]
    pages = [HEAD]
    for model in models():
        pages.append("\n".join(_section(model, defs)) + "\n")
    return "\n".join(pages)


def models() -> Iterator[type[Model]]:
    """Give each model after the one that has it as a value, level by level."""
    seen: list[type[Model]] = [Config]
    for model in seen:
        yield model
        for name in model.model_fields:
            for found in _inside(model, name):
                if found not in seen:
                    seen.append(found)


def _inside(model: type[Model], name: str) -> list[type[Model]]:
    steps: list[list[str | int]] = [[name], [name, 0], [name, "x"], [name, "x", 0]]
    found = [each for step in steps for each in annotations_at(model, step)]
    return list(dict.fromkeys(each for each in found if isinstance(each, type) and issubclass(each, Model)))


def _section(model: type[Model], defs: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {model.__name__}"
    yield ""
    yield " ".join((model.__doc__ or "").split())
    if model.short is not None:
        yield ""
        yield f"A bare value stands for `{model.short}`."
    yield ""
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    shape = _shape_of(model, defs)
    for name, field in model.model_fields.items():
        key = field.alias or name
        default = "required" if field.is_required() else _default(field.get_default(call_default_factory=True))
        kind = _unit(model, name) or _type(shape.get(key, {}), defs)
        yield f"| `{key}` | {kind} | {default} | {_cell(field.description or '')} |"
    if model.later:
        yield ""
        yield f"Not built yet: {', '.join(f'`{key}` ({what})' for key, what in model.later.items())}."


def _shape_of(model: type[Model], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    made = schema() if model is Config else defs[model.__name__]
    long_form = next((each for each in made.get("anyOf", ()) if "properties" in each), made)
    properties: Mapping[str, Any] = long_form["properties"]
    return properties


def _unit(model: type[Model], name: str) -> str | None:
    units = [UNITS[each] for each in annotations_at(model, [name]) if each in UNITS]
    return " or ".join(dict.fromkeys(units)) or None


def _type(shape: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """Name a type as a person would."""
    match shape:
        case {"$ref": str(reference)}:
            name = reference.rpartition("/")[2]
            return f"[{name}](#{name.lower()})" if name in defs else name
        case {"enum": list(values)}:
            return " or ".join(f"`{each}`" for each in values)
        case {"const": value}:
            return f"`{value}`"
        case {"anyOf": list(forms)} | {"oneOf": list(forms)}:
            return " or ".join(dict.fromkeys(_type(each, defs) for each in forms if each.get("type") != "null"))
        case {"type": "array", "items": dict(items)}:
            return f"list of {_type(items, defs)}"
        case {"type": "object", "patternProperties": dict(patterns)} if patterns:
            return f"mapping of names to {_type(next(iter(patterns.values())), defs)}"
        case {"type": "object", "additionalProperties": dict(values)}:
            return f"mapping of {_type(values, defs)}"
        case {"type": "integer"}:
            least, most = shape.get("minimum"), shape.get("maximum")
            bounds = f", {least} to {most}" if least is not None and most is not None else ""
            return f"whole number{bounds}"
        case {"type": str(kind)}:
            return {"string": "text", "boolean": "`true` or `false`", "object": "mapping"}.get(kind, kind)
        case _:
            return "text"


def _default(value: Any) -> str:
    if value is None or value is PydanticUndefined:
        return ""
    if isinstance(value, Model):
        return "its own defaults" if value.model_fields else "`{}`"
    shown = in_one_line(value)
    return f"`{shown}`" if shown is not None else "several"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
