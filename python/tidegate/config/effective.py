"""A configuration as YAML with every default written out: what `tidegate check --effective` prints. It loads again."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.config.config import Config
from tidegate.config.listener import Bind, Listener
from tidegate.config.model import Model
from tidegate.config.scalar import in_digits
from tidegate.config.secret import Secret

Path = tuple[str, ...]

_BARE = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*|[0-9]+(ms|s|m|h|d|B|KB|KiB|MB|MiB|GB|GiB|TB|TiB)(/s)?|[0-9]+/[smh]")
_NOT_TEXT = {"true", "false", "null"}


def effective(config: Config, *, defaults: Mapping[Path, tuple[Any, str]] | None = None) -> str:
    """Write a configuration out. `defaults` has values that only the machine can tell, each with its reason.

    Included files are part of it, so `include` is not; a secret is shown as the place where it is.
    """
    return "\n".join(_mapping(_fields(config, ()), 0, (), defaults or {})) + "\n"


def written_fields(model: Model) -> Iterator[tuple[str, Any]]:
    """Give each key with its value, less those that were not given and have their default."""
    return (pair for name, pair in _pairs(model) if name in model.model_fields_set)


def plain_data(value: Any, path: Path = ()) -> Any:
    """Give a configuration, or a part of it, as plain data with every default; a secret is the place where it is."""
    match value:
        case Secret():
            return f"!secret {value.kind}:{value.name}"
        case Model():
            return {name: plain_data(each, (*path, name)) for name, each in _fields(value, path)}
        case Mapping():
            return {str(name): plain_data(each, (*path, str(name))) for name, each in value.items()}
        case tuple() | list() | frozenset():
            return [plain_data(each, (*path, "…")) for each in value]
        case None | bool() | int() | float():
            return value
        case _:
            return str(value)


def _fields(model: Model, path: Path) -> Iterator[tuple[str, Any]]:
    return (pair for name, pair in _pairs(model) if path != () or name != "include")


def _pairs(model: Model) -> Iterator[tuple[str, tuple[str, Any]]]:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(model, Bind) and name == "mode" and value is not None:
            value = f"{value:04o}"
        if isinstance(model, Listener) and (foreign := model.foreign):
            if name in foreign["listener"]:
                continue
            if name in foreign:
                value = {key: each for key, each in dict(_pairs(value)).values() if key not in foreign[name]}
        yield name, (field.alias or name, value)


def _mapping(
    items: Iterator[tuple[str, Any]], indent: int, path: Path, defaults: Mapping[Path, tuple[Any, str]]
) -> Iterator[str]:
    space = " " * indent
    for key, value in items:
        here, note = (*path, key), ""
        if here in defaults and value is None:
            value, note = defaults[here]
        elif here in defaults and value == "auto":
            note = defaults[here][1]
        if value is None:
            continue
        shown = _scalar(key)
        inline = in_one_line(value)
        if inline is not None:
            yield f"{space}{shown}: {inline}" + (f"  # {note}" if note else "")
        else:
            yield f"{space}{shown}:"
            yield from _block(value, indent + 2, here, defaults)


def _block(value: Any, indent: int, path: Path, defaults: Mapping[Path, tuple[Any, str]]) -> Iterator[str]:
    if isinstance(value, Model):
        yield from _mapping(_fields(value, path), indent, path, defaults)
    elif isinstance(value, Mapping):
        yield from _mapping(iter(value.items()), indent, path, defaults)
    else:
        for item in value:
            inline = in_one_line(item)
            lines = [inline] if inline is not None else list(_block(item, 0, path, defaults))
            for number, line in enumerate(lines):
                yield " " * indent + ("- " if number == 0 else "  ") + line


def in_one_line(value: Any) -> str | None:
    """Write what fits on one line; none for blocks."""
    if isinstance(value, Model):
        return None if any(shown is not None for _, shown in _fields(value, ("…",))) else "{}"
    if isinstance(value, Mapping):
        return None if value else "{}"
    if isinstance(value, tuple):
        return None if value else "[]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if isinstance(value, Secret):
        return f"!secret {json.dumps(f'{value.kind}:{value.name}').replace('${', '$${')}"
    if isinstance(value, int | float):
        return in_digits(value)
    text = str(value)
    if _BARE.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    return json.dumps(text, ensure_ascii=False).replace("${", "$${")
