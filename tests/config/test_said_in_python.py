"""Whatever a file in YAML can say, a file in Python can: every model is at hand, and reads what it prints."""

import keyword
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import tidegate
from tests.golden.test_golden import CASES, ENVIRONMENT, write_files
from tidegate import Secret, load
from tidegate.config.child import plain_of
from tidegate.config.effective import written_fields
from tidegate.config.model import Model
from tools.reference import models


def test_every_model_of_a_configuration_is_exported() -> None:
    assert [model.__name__ for model in models() if model.__name__ not in tidegate.__all__] == []
    assert all(getattr(tidegate, model.__name__) is model for model in models())


RIGHT = [case for case in CASES if re.search(r"^---- (whole )?snapshot", case.read_text(), re.MULTILINE)]


@pytest.mark.parametrize("case", RIGHT, ids=lambda case: case.stem)
def test_what_yaml_says_python_says(case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(case, tmp_path)
    monkeypatch.chdir(tmp_path)
    said = load(case.name, environment=ENVIRONMENT).config
    assert said is not None
    made = eval(in_python(said), {name: getattr(tidegate, name) for name in tidegate.__all__})
    assert plain_of(made) == plain_of(said)
    assert made.model_dump() == said.model_dump()


def in_python(value: Any) -> str:
    """Write a configuration as a person would in Python: with a model for each mapping that has one."""
    match value:
        case Secret(kind=kind, name=name):
            return f"Secret({kind!r}, {name!r})"
        case Model():
            given = (f"{as_argument(key)}={in_python(each)}" for key, each in written_fields(value))
            return f"{type(value).__name__}({', '.join(given)})"
        case Mapping():
            return "{" + ", ".join(f"{key!r}: {in_python(each)}" for key, each in value.items()) + "}"
        case tuple():
            return "[" + ", ".join(map(in_python, value)) + "]"
        case None | bool() | int() | float():
            return repr(value)
        case _:
            return repr(str(value))


def as_argument(key: str) -> str:
    """Write a key that Python has taken with an underscore."""
    return f"{key}_" if keyword.iskeyword(key) else key
