"""Any text is a configuration or has problems, each at a place that the text has: nothing is raised."""

import json
import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.golden.test_golden import CASES, ENVIRONMENT, compiled
from tidegate.config.config import Config
from tidegate.config.load import load_text
from tidegate.config.model import Model
from tidegate.config.words import annotations_at

EXAMPLES = 400

GOLDEN = [re.split(r"^---- ", case.read_text(), maxsplit=1, flags=re.MULTILINE)[0] for case in CASES]
SMALL = [text for text in GOLDEN if len(text) < 2_000]

SPOILS = [
    *[
        "",
        " ",
        "  ",
        "\t",
        "\n",
        "\r\n",
        ":",
        ": ",
        "- ",
        "? ",
        "#",
        ",",
        "[",
        "]",
        "{",
        "}",
        "'",
        '"',
        "\\",
        "|\n",
        ">\n",
    ],
    *[
        "&a ",
        "*a",
        "!secret ",
        "!!int ",
        "!",
        "%YAML 1.1\n",
        "---\n",
        "...\n",
        "<<: ",
        "${NAME}",
        "${",
        "~",
        "null",
        "true",
    ],
    *["0", "-1", "1e999", ".nan", "0x7f", "99999999999999999999", "1s", "64KiB", "127.0.0.1:80", "[::1]:80", "unix:/x"],
    *["\0", "\x07", "\x85", "\u2028", "\ufeff", "é", "\U0001f600", "\ud7ff"],
]


def all_keys() -> list[str]:
    """Name every key of every model."""
    seen: set[type[Model]] = set()

    def walk(model: type[Model]) -> None:
        seen.add(model)
        for name in model.model_fields:
            steps: list[list[str | int]] = [[name], [name, 0], [name, "x"]]
            for step in steps:
                for found in annotations_at(model, step):
                    if isinstance(found, type) and issubclass(found, Model) and found not in seen:
                        walk(found)

    walk(Config)
    return sorted({field.alias or name for model in seen for name, field in model.model_fields.items()})


KEYS = st.one_of(st.sampled_from(all_keys()), st.sampled_from(["x", "", "api", "*.example.com", "1"]))
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2**64),
    st.floats(),
    st.sampled_from([spoil for spoil in SPOILS if spoil.isprintable()]),
    st.text(max_size=5),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
PARTS = st.fixed_dictionaries(
    {},
    optional={
        "listeners": st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=4), max_size=2) | VALUES,
        "routes": st.lists(st.dictionaries(KEYS, VALUES, max_size=4), max_size=3) | VALUES,
        "upstreams": st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=4), max_size=2) | VALUES,
        **{key: VALUES for key in Config.model_fields if key not in ("listeners", "routes", "upstreams", "include")},
    },
)


@st.composite
def spoilt(draw: st.DrawFn) -> str:
    """A configuration with things put in, taken out and replaced."""
    text = draw(st.sampled_from(SMALL))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        gone = draw(st.sampled_from([0, 0, 1, 3, 20]))
        put = draw(st.sampled_from(SPOILS))
        text = text[:at] + put + text[at + gone :]
    return text


@settings(max_examples=EXAMPLES)
@given(st.text(max_size=60))
def test_any_text_has_an_outcome(text: str) -> None:
    look_at(text)


@settings(max_examples=EXAMPLES)
@given(spoilt())
def test_a_spoilt_configuration_has_an_outcome(text: str) -> None:
    look_at(text)


@settings(max_examples=EXAMPLES)
@given(PARTS.map(json.dumps))
def test_known_keys_with_any_values_have_an_outcome(text: str) -> None:
    look_at(text)


def look_at(text: str) -> None:
    """Load `text`; what is right compiles, and what is wrong is told at its place."""
    folder = Path("/nowhere")
    loaded = load_text(text, folder=folder, environment=ENVIRONMENT)
    assert (loaded.config is None) == bool(loaded.problems)
    if loaded.config is not None:
        compiled(loaded.config, "tidegate.yaml")
    lines = re.split(r"\r\n|\n|\r", text)
    for problem in loaded.problems:
        assert 1 <= problem.at.line <= len(lines) and problem.at.column >= 1 and problem.width >= 1, problem
        place = f"{problem.at.file}:{problem.at.line}:{problem.at.column}: error: "
        assert str(problem).startswith(place) and problem.says, problem
