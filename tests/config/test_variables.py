"""`${NAME}` is replaced in scalars, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.config.variables import Unset, substitute


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("${A}", "a"),
        ("x${A}y${A}z", "xayaz"),
        ("${B:-b}", "b"),
        ("${A:-b}", "a"),
        ("${EMPTY:-b}", "b"),
        ("${EMPTY}", ""),
        ("${B:-}", ""),
        ("$${A}", "${A}"),
        ("$A $ {A}", "$A $ {A}"),
        ("^/x$", "^/x$"),
    ],
)
def test_a_variable_becomes_its_value(text: str, becomes: str) -> None:
    assert substitute(text, {"A": "a", "EMPTY": ""}) == becomes


@pytest.mark.parametrize("text", ["${B}", "${", "${1}", "${A", "${A:x}", "${A-b}", "${ A }"])
def test_what_cannot_be_replaced_is_told(text: str) -> None:
    with pytest.raises(Unset):
        substitute(text, {"A": "a"})


@given(st.text())
def test_a_value_is_not_read_again(value: str) -> None:
    assert substitute("${A}", {"A": value or "x"}) == (value or "x")
