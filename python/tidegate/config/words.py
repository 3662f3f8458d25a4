"""What a validation error says to a person: every error of pydantic in words that name the reason and the way out."""

import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic_core import ErrorDetails

from tidegate.config.hints import did_you_mean, nearest
from tidegate.config.model import Model
from tidegate.config.scalar import Empty, in_digits, show
from tidegate.config.secret import SecretTag

Path = Sequence[str | int]


@dataclass(frozen=True, slots=True)
class Words:
    """What is wrong, the way out, and whether the key is at fault rather than its value."""

    says: str
    hint: str = ""
    at_key: bool = False


def tell(error: ErrorDetails, model: type[Model], name: str) -> Words:
    """Say what is wrong. `model` is what was validated; `name` is how to call the key at fault."""
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(error, model)
    if kind == "missing":
        return Words(f"`{error['loc'][-1]}` is missing", _about(error, model), at_key=True)
    if isinstance(given, SecretTag) and not context.get("says", "").startswith("is a secret"):
        return Words(f"{name} is no secret, and `!secret` stands only where one belongs")
    if isinstance(given, Empty):
        return Words(f"{name} has no value", "give it one, or delete the key", at_key=True)
    if kind == "later":
        return Words(context["says"])
    if kind == "refused":
        says = context["says"]
        return Words(f"{name} {says}" if says.startswith(VERBS) else says, context["hint"])
    if kind == "literal_error":
        return _not_one_of(error, model, name)
    quotes = kind == "string_type" and isinstance(given, int | float)
    return Words(f"{name} {_must(kind, given, context)}", "quote it" if quotes else "")


VERBS = ("must ", "is ", "has ", "needs ", "ends ")
"""How a complaint begins that speaks of the key at fault."""


def _must(kind: str, given: Any, context: Mapping[str, Any]) -> str:
    match kind:
        case "bool_type" | "bool_parsing":
            return f"must be `true` or `false`, not {show(given)}"
        case "float_type" | "float_parsing" | "finite_number":
            return f"must be a number, not {show(given)}"
        case "string_type":
            return f"must be text, not {show(given)}"
        case "string_pattern_mismatch" | "string_too_short":
            if context.get("pattern", "").startswith("^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"):
                return f"must be a name of at most 64 letters, digits, `_`, `.` and `-`, not {show(given)}"
            return f"cannot be {show(given)}"
        case "greater_than_equal":
            return f"must be at least {in_digits(context['ge'])}, not {show(given)}"
        case "less_than_equal":
            return f"must be at most {in_digits(context['le'])}, not {show(given)}"
        case "too_short":
            return "must have at least one entry"
        case "model_type" | "model_attributes_type" | "dict_type" | "mapping_type":
            return f"must be a mapping (`key: value`), not {show(given)}"
        case "tuple_type" | "list_type":
            return f"must be a list, not {show(given)}"
        case _:
            # A kind that nobody has met yet; a test holds the list of those that the models can raise.
            return f"cannot be {show(given)}"


def _unknown_key(error: ErrorDetails, model: type[Model]) -> Words:
    *path, key = error["loc"]
    owners = models_at(model, path)
    if not isinstance(key, str):
        return Words(f"`{key}` is no key here", at_key=True)
    for owner in owners:
        if key in owner.later:
            return Words(f"`{key}` ({owner.later[key]}) is not built yet", at_key=True)
    known = keys_of(owners)
    if key in known:  # of another form of what stands here
        form = next(owner for owner in owners if key in keys_of([owner]))
        beside = next(name for name, field in form.model_fields.items() if field.is_required())
        return Words(f"unknown key `{key}`", f"it stands beside `{beside}`", at_key=True)
    return Words(f"unknown key `{key}`", did_you_mean(key, known), at_key=True)


def _not_one_of(error: ErrorDetails, model: type[Model], name: str) -> Words:
    names = [value for value in _literals(annotations_at(model, error["loc"])) if isinstance(value, str)]
    listed = " or ".join([", ".join(f"`{each}`" for each in names[:-1]), f"`{names[-1]}`"]) if len(names) > 1 else ""
    near = nearest(error["input"], names)
    hint = f"did you mean `{near}`?" if near else ""
    return Words(f"{name} must be {listed or error['ctx']['expected']}, not {show(error['input'])}", hint)


def _about(error: ErrorDetails, model: type[Model]) -> str:
    """What the missing key would say: the first sentence of its docstring."""
    *path, key = error["loc"]
    for owner in models_at(model, path):
        field = owner.model_fields.get(str(key))
        if field is not None and field.description:
            return field.description.split(". ")[0].rstrip(".")
    return ""


def keys_of(models: Iterable[type[Model]]) -> list[str]:
    """List the keys that a mapping may have here, those of later versions included."""
    keys: list[str] = []
    for model in models:
        keys += [field.alias or name for name, field in model.model_fields.items()]
        keys += model.later
    return keys


def models_at(model: type[Model], path: Path) -> list[type[Model]]:
    """Find the models that the value at a path may be."""
    return [each for each in annotations_at(model, path) if isinstance(each, type) and issubclass(each, Model)]


def annotations_at(model: type[Model], path: Path) -> list[Any]:
    """Find the types that the value at a path may have, by walking the models' annotations."""
    here: list[Any] = [model]
    for step in path:
        inner: list[Any] = []
        for annotation in here:
            if isinstance(annotation, type) and issubclass(annotation, Model):
                for name, field in annotation.model_fields.items():
                    if step in (name, field.alias):
                        inner += _alternatives(field.annotation)
            elif get_origin(annotation) is tuple and isinstance(step, int):
                inner += _alternatives(get_args(annotation)[0])
            elif get_origin(annotation) not in (None, tuple) and isinstance(step, str):
                inner += _alternatives(get_args(annotation)[-1])
        here = inner or here
    return here


def _alternatives(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [each for argument in get_args(annotation) for each in _alternatives(argument)]
    return [annotation]


def _literals(annotations: Iterable[Any]) -> list[Any]:
    return [value for annotation in annotations for value in get_args(annotation)]
