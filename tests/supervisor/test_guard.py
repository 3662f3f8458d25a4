"""Guards of rollouts: what they compare, and what is none."""

import pytest

from tidegate.supervisor.guard import Figures, Guard, NotAGuard

NEW = Figures(good=95, bad=5, waits={1_000_000: 90, 50_000_000: 9, 400_000_000: 1})
OLD = Figures(good=1000, bad=0, waits={1_000_000: 500, 40_000_000: 500})


@pytest.mark.parametrize(
    "text",
    [
        "error_rate < 6%",
        "error_rate <= 0.05",
        "p50 < 2ms and p90 < 2ms",
        "p99 < 1.3 * baseline",
        "p99.9 < 0.5s",
        "requests >= 100",
        "error_rate < 1% or p50 < 10ms",
        "error_rate - baseline < 6%",
        "p99 < baseline + 20ms",
        "200ms > p99",
    ],
)
def test_a_guard_holds(text: str) -> None:
    assert Guard.read(text).broken_by(NEW, OLD) == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("error_rate < 1%", "error_rate is 5.00%, which breaks `error_rate < 0.01`"),
        (
            "p99 < 1.2 * baseline",
            "p99 is 50 ms and the baseline 40 ms, which breaks `p99 < 1.2 * baseline`",
        ),
        ("p99.9 < 100ms", "p99.9 is 400 ms, which breaks `p99.9 < 0.1`"),
        (
            "error_rate < 1% and p50 < 0.5ms",
            "error_rate is 5.00%, which breaks `error_rate < 0.01`; p50 is 1 ms, which breaks `p50 < 0.0005`",
        ),
        ("requests > 500", "requests is 100, which breaks `requests > 500`"),
    ],
)
def test_a_broken_guard_says_by_what(text: str, says: str) -> None:
    assert Guard.read(text).broken_by(NEW, OLD) == says


def test_what_has_nothing_to_compare_with_holds() -> None:
    assert Guard.read("p99 < 1.2 * baseline").broken_by(NEW, Figures()) == ""
    assert Guard.read("error_rate < 1%").broken_by(Figures(), OLD) == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "error_rate",
        "1 < 2",
        "baseline < 2",
        "error_rate < 1 % and",
        "eror_rate < 1%",
        "p0 < 1s",
        "p99 < p50",
        "error_rate < 1% if True else False",
        "__import__('os').system('true') < 1",
        "error_rate < 1% < 2%",
        "not error_rate < 1%",
        "error_rate == 1%",
        "error_rate < 'a'",
        "error_rate < True",
        "p99 < 2 ** 100",
        "(" * 900 + "1",
        "error_rate < 1%" + " " * 1000,
        "lambda: error_rate",
        "a\x00b < 1",
    ],
)
def test_what_is_no_guard_is_refused(text: str) -> None:
    with pytest.raises(NotAGuard):
        Guard.read(text)


def test_counters_that_began_anew_are_taken_as_they_are() -> None:
    assert NEW.since(Figures(good=90, bad=0, waits={1_000_000: 90})) == Figures(
        5, 5, {1_000_000: 0, 50_000_000: 9, 400_000_000: 1}
    )
    assert NEW.since(Figures(good=1000)) == NEW
