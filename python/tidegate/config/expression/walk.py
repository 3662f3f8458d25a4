"""Which expressions a part of the configuration holds, and where."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, get_args, get_origin

from tidegate.config.expression.fields import Written
from tidegate.config.model import Model

Path = tuple[str | int, ...]


def expressions_in(part: Any, path: Path = ()) -> Iterator[tuple[Path, Written]]:
    """Find every expression of a model, with the path of keys that leads to it."""
    if isinstance(part, Written):
        yield path, part
    elif isinstance(part, Model):
        for name, key in _fields(type(part)):
            value = getattr(part, name)
            if value is not None:
                yield from expressions_in(value, (*path, key))
    elif isinstance(part, Mapping):
        for key, value in part.items():
            yield from expressions_in(value, (*path, key))
    elif isinstance(part, tuple):
        for index, value in enumerate(part):
            yield from expressions_in(value, (*path, index))


@cache
def _fields(model: type[Model]) -> tuple[tuple[str, str], ...]:
    """Name the fields that could hold one, as the model and as a person calls them: most lead nowhere."""
    found = model.model_fields.items()
    return tuple((name, field.alias or name) for name, field in found if _may_hold(field.annotation, {model}))


def _may_hold(annotation: Any, seen: set[type[Model]]) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, Written):
        return True
    if isinstance(annotation, type) and issubclass(annotation, Model):
        if annotation in seen:
            return False
        inner = seen | {annotation}
        return any(_may_hold(field.annotation, inner) for field in annotation.model_fields.values())
    if get_origin(annotation) is Annotated:
        return _may_hold(get_args(annotation)[0], seen)
    if get_origin(annotation) is not None:  # unions, tuples, mappings
        return any(_may_hold(each, seen) for each in get_args(annotation))
    return False
