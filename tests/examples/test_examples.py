"""The examples are right: a reader copies them."""

from pathlib import Path

import pytest

from tidegate import load
from tidegate.demo.run import ADMIN, LISTEN, configuration

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_has_no_problems(path: Path) -> None:
    assert load(path).problems == ()


def test_the_demo_has_no_problems(tmp_path: Path) -> None:
    path = tmp_path / "demo.yaml"
    path.write_text(configuration(tmp_path, ["127.0.0.1:9001", "127.0.0.1:9002"], "127.0.0.1:9003", LISTEN, ADMIN))
    assert load(path).problems == ()
