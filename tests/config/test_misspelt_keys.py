"""Any key that is misspelt by one letter is reported at its place, with a hint."""

import string
from collections.abc import Iterator
from pathlib import Path

from hypothesis import assume, given
from hypothesis import strategies as st

from tidegate._engine import parse_yaml
from tidegate.config.config import Config
from tidegate.config.load import load_text
from tidegate.config.tree import Key, Node
from tidegate.config.words import keys_of, models_at

EVERYTHING = (Path(__file__).parent.parent / "golden/cases/everything.yaml").read_text().partition("---- ")[0]
ENVIRONMENT = {"TOKEN": "hunter2"}


def keys_with_their_models(node: Node, path: tuple[str | int, ...]) -> Iterator[tuple[Key, list[str]]]:
    """List the keys that the models name (not the names that a person gave), each with all that may stand there."""
    if node[0] == "map":
        known = keys_of(models_at(Config, path))
        for key, child in node[1]:
            if key[0] in known:
                yield key, known
            yield from keys_with_their_models(child, (*path, key[0]))
    elif node[0] == "list":
        for index, child in enumerate(node[1]):
            yield from keys_with_their_models(child, (*path, index))


KEYS = list(keys_with_their_models(parse_yaml(EVERYTHING)[0], ()))


@st.composite
def misspelt(draw: st.DrawFn) -> tuple[Key, list[str], str]:
    key, known = draw(st.sampled_from(KEYS))
    name = key[0]
    at = draw(st.integers(0, len(name) - 1))
    letter = draw(st.sampled_from(string.ascii_lowercase))
    how = draw(st.sampled_from(["replace", "insert", "drop", "swap"]))
    wrong = {
        "replace": name[:at] + letter + name[at + 1 :],
        "insert": name[:at] + letter + name[at:],
        "drop": name[:at] + name[at + 1 :],
        "swap": name[:at] + name[at : at + 2][::-1] + name[at + 2 :],
    }[how]
    assume(wrong and wrong not in known)
    return key, known, wrong


@given(misspelt())
def test_a_key_misspelt_by_one_letter_is_told_at_its_place_with_a_hint(case: tuple[Key, list[str], str]) -> None:
    (_, line, column, end_column), known, wrong = case
    lines = EVERYTHING.splitlines()
    row = lines[line - 1]
    lines[line - 1] = row[: column - 1] + wrong + row[end_column - 1 :]
    problems = load_text("\n".join(lines), environment=ENVIRONMENT).problems
    told = [problem for problem in problems if (problem.at.line, problem.at.column) == (line, column)]
    assert [problem.says for problem in told] == [f"unknown key `{wrong}`"]
    assert told[0].width == len(wrong)
    assert told[0].hint.startswith(("did you mean `", "known here: "))
    assert any(f"`{key}`" in told[0].hint or f" {key}" in told[0].hint for key in known)


def test_nothing_else_is_wrong_with_the_configuration() -> None:
    assert load_text(EVERYTHING, environment=ENVIRONMENT).problems == ()
    assert len(KEYS) > 60
