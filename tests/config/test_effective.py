"""What `check --effective` prints loads again, and means the same."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.config.config import Config
from tidegate.config.effective import effective
from tidegate.config.load import load_text

RIGHT = [
    path
    for path in sorted((Path(__file__).parent.parent / "golden/cases").glob("*.yaml"))
    if "\n---- errors" not in path.read_text() and "---- file" not in path.read_text()
]
ENVIRONMENT = {"PORT": "9000", "NAME": "api", "TOKEN": "hunter2", "WEIGHT": "3"}


@pytest.mark.parametrize("case", RIGHT, ids=lambda case: case.stem)
def test_it_loads_again_and_means_the_same(case: Path) -> None:
    config = load_text(case.read_text().partition("---- ")[0], environment=ENVIRONMENT).config
    assert config is not None
    written = effective(config)
    again = load_text(written, environment={})
    assert again.problems == ()
    assert again.config is not None
    assert again.config.model_dump() == config.model_dump()
    assert effective(again.config) == written


@given(st.text(max_size=30))
def test_any_text_survives(text: str) -> None:
    config = Config.model_validate({"routes": [{"respond": {"body": text}}]})
    again = load_text(effective(config), environment={}).config
    assert again is not None
    assert again.routes[0].respond is not None
    assert again.routes[0].respond.body == text


def test_every_default_is_written() -> None:
    written = effective(Config.model_validate({"listeners": {"web": {"bind": ":8080"}}}))
    for line in (
        "header: 10s",
        "tunnel: 1h",
        "max_age: 0s",
        "header_bytes: 64KiB",
        "body_rate: 240B/s",
        "underscores: drop",
    ):
        assert f"{line}\n" in written


def test_values_of_the_machine_come_with_their_reason() -> None:
    written = effective(Config(), defaults={("threads",): (3, "because"), ("limits", "connections"): ("auto", "many")})
    assert "threads: 3  # because\n" in written
    assert "  connections: auto  # many\n" in written
