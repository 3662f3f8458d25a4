"""A part of a scalar is found in the file, through quotes, escapes, folded lines and indentation."""

from pathlib import Path

import pytest

from tidegate.config.inside import inside
from tidegate.config.tree import Source, parse


@pytest.mark.parametrize(
    "text",
    [
        "a: one WRONG two\n",
        "a: 'one WRONG two'\n",
        "a: 'it''s WRONG two'\n",
        'a: "one \\"x\\" WRONG two"\n',
        'a: "\\x41\\u00e9\\U0001F600 WRONG two"\n',
        "a: one\n  WRONG two\n",
        'a: "one\n  WRONG two"\n',
        "a: >-\n  one\n  WRONG two\n",
        "a: |\n  one\n    WRONG two\n",
        'a: >\n  "one" == WRONG\n  two\n',
        "a: 'one\n\n\n  WRONG two'\n",
        "- {a: [x, one WRONG two]}\n",
    ],
)
def test_a_part_is_found_where_it_stands(text: str) -> None:
    source = Source("x.yaml", Path(), text, frozenset())
    parse(source)
    node = source.root
    assert node is not None
    while node[0] in ("map", "list"):
        node = node[1][-1][1] if node[0] == "map" else node[1][-1]
    value = node[1].rstrip("\n")
    found = inside(source.lines, node, value.index("WRONG"), len("WRONG"))
    assert found is not None
    line, column, width = found
    assert source.lines[line - 1][column - 1 : column - 1 + width] == "WRONG"


@pytest.mark.parametrize("text", ["a: !!str 'one WRONG'\n", "a: ${X} WRONG\n", "a: 5\n", "a: &b 'one WRONG'\n"])
def test_where_it_cannot_be_told_nothing_is_claimed(text: str) -> None:
    source = Source("x.yaml", Path(), text, frozenset())
    parse(source)
    assert source.root is not None
    assert inside(source.lines, source.root[1][0][1], 4, 5) is None


def test_what_lies_behind_the_text_is_shown_at_its_end() -> None:
    source = Source("x.yaml", Path(), "a: 'one =='\n", frozenset())
    parse(source)
    assert source.root is not None
    assert inside(source.lines, source.root[1][0][1], 6, 1) == (1, 11, 1)
