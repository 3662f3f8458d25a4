"""The JSON Schema tells what each key is for, and its defaults."""

import json
from collections.abc import Iterator
from typing import Any

from tidegate.config.config import Config
from tidegate.config.model import Model
from tidegate.config.schema import schema
from tidegate.config.words import annotations_at


def models(model: type[Model], seen: set[type[Model]]) -> Iterator[type[Model]]:
    if model in seen:
        return
    seen.add(model)
    yield model
    for name in model.model_fields:
        steps: list[list[str | int]] = [[name], [name, 0], [name, "x"]]
        for step in steps:
            for found in annotations_at(model, step):
                if isinstance(found, type) and issubclass(found, Model):
                    yield from models(found, seen)


def test_every_key_says_what_it_is_for() -> None:
    found = list(models(Config, set()))
    assert len(found) > 15
    for model in found:
        assert model.__doc__
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name} has no docstring"
            assert name not in model.later


def test_the_schema_is_json_and_knows_every_model() -> None:
    made = json.loads(json.dumps(schema()))
    names = {model.__name__ for model in models(Config, set())} - {"Config"}
    assert names == set(made["$defs"])
    assert made["additionalProperties"] is False


def test_short_forms_stand_beside_long_ones() -> None:
    defs: dict[str, Any] = schema()["$defs"]
    assert {"type": "string"} in [{"type": each.get("type")} for each in defs["Endpoint"]["anyOf"]]
