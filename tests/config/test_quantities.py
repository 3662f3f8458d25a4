"""Quantities read what they print, and say the way out when they refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tidegate.config.quantities import ByteRate, Duration, Quantity, Size


@pytest.mark.parametrize("kind", [Duration, Size, ByteRate], ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_quantity_reads_what_it_prints(kind: type[Quantity], data: st.DataObject) -> None:
    amount = data.draw(st.integers(0, kind.most))
    assert kind.read(str(kind(amount))) == kind(amount)


@pytest.mark.parametrize("kind", [Duration, Size, ByteRate], ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_a_number_with_a_unit_is_that_many_of_it(kind: type[Quantity], data: st.DataObject) -> None:
    unit, worth = data.draw(st.sampled_from(list(kind.units.items())))
    count = data.draw(st.integers(0, kind.most // worth))
    assert kind.read(f"{count}{unit}").amount == count * worth


@given(st.text(max_size=12))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    for kind in (Duration, Size, ByteRate):
        try:
            kind.read(text)
        except ValueError as refusal:
            assert str(refusal).startswith(("must be ", "needs a unit ", "is more than "))


@pytest.mark.parametrize(
    ("kind", "text", "says"),
    [
        (Duration, 10, "needs a unit after `10`, one of ms, s, m, h, d"),
        (Duration, "10 s", "must be a time, as `10s`, not `10 s`"),
        (Duration, True, "must be a time, as `10s`, not `true`"),
        (Size, "1.5KiB", "must be a size, as `64KiB`, not `1.5KiB`"),
        (ByteRate, "240B", "must be a rate, as `240B/s`, not `240B`"),
        (Duration, "9999999999999999999d", "is more than 3650d, the most that makes sense here"),
    ],
    ids=str,
)
def test_a_refusal_names_the_way_out(kind: type[Quantity], text: object, says: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        TypeAdapter(kind).validate_python(text)
    assert refusal.value.errors()[0]["msg"] == says


def test_zero_needs_no_unit() -> None:
    assert Duration.read(0) == Duration.read("0") == Duration.read("0h") == Duration(0)
