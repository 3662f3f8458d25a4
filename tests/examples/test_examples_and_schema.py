"""An editor that has the JSON Schema marks nothing in an example, and something in what is wrong."""

from pathlib import Path
from typing import Any

import pytest

from tests.examples.json_schema import faults
from tidegate._engine import parse_yaml
from tidegate.config.schema import schema
from tidegate.config.tree import plain

EXAMPLES = Path(__file__).parents[2] / "examples"


def read(text: str) -> Any:
    root, problems = parse_yaml(text)
    assert problems == []
    return plain(root, {}, [])


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_an_example_is_of_the_schema(path: Path) -> None:
    assert list(faults(read(path.read_text()), schema(), schema())) == []


@pytest.mark.parametrize(
    "text",
    [
        "listener: {}",
        "threads: 0",
        "threads: many",
        "listeners: {web: {}}",
        "listeners: {web: {bind: []}}",
        "routes: {}",
        "routes: [{respond: {status: 600}}]",
        "log: {level: loud}",
        "upstreams: {api: {endpoints: [], balance: round_robin}}",
        "upstreams: {'a b': {endpoints: ['127.0.0.1:1']}}",
    ],
)
def test_what_is_wrong_by_its_type_is_not(text: str) -> None:
    assert list(faults(read(text), schema(), schema())) != []
