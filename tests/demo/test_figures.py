"""The figures of the demo's page."""

import pytest

from tidegate.demo.figures import HISTORY_TICKS, Figures, Tick, percentile


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([], 50, None),
        ([7.0], 50, 7.0),
        ([7.0], 99, 7.0),
        ([1.0, 2.0, 3.0, 4.0], 50, 2.0),
        ([1.0, 2.0, 3.0], 50, 2.0),
        ([float(each) for each in range(1, 101)], 99, 99.0),
        ([float(each) for each in range(1, 102)], 99, 100.0),
    ],
)
def test_a_percentile_is_a_value_that_was_seen(values: list[float], percent: int, expected: float | None) -> None:
    assert percentile(values, percent) == expected


def test_nothing_seen_has_no_share_and_no_time() -> None:
    told = Figures(["tern", "gull"]).tell()
    assert (told["rate"], told["p50_ms"], told["p99_ms"], told["answered"], told["failed"]) == (0, None, None, 0, 0)
    assert told["backends"]["gull"] == {"answered": 0, "rate": 0, "share": 0, "p50_ms": None}


def test_rate_and_share_are_of_the_last_two_seconds_and_totals_of_all() -> None:
    figures = Figures(["tern", "gull"])
    for _ in range(8):
        figures.add(Tick({"tern": [1.0, 3.0], "gull": [5.0] * 2}, {}))
    for _ in range(8):
        figures.add(Tick({"tern": [1.0, 1.0, 2.0]}, {"502": 2}))
    told = figures.tell()
    assert (told["rate"], told["answered"], told["failed"]) == (12, 56, 16)
    assert told["backends"]["tern"] == {"answered": 40, "rate": 12, "share": 1, "p50_ms": 1.0}
    assert told["backends"]["gull"] == {"answered": 16, "rate": 0, "share": 0, "p50_ms": 5.0}


def test_columns_are_those_that_came_since_and_at_most_a_minute() -> None:
    figures = Figures(["tern", "gull"])
    figures.add(Tick({"gull": [1.0]}, {}))
    figures.add(Tick({"tern": [1.0, 2.0]}, {"502": 1, "reset": 2}))
    assert figures.columns() == [[0, 1, 0], [2, 0, 3]]
    assert figures.columns(after=1) == [[2, 0, 3]]
    assert figures.columns(after=2) == []
    for _ in range(HISTORY_TICKS):
        figures.add(Tick({}, {}))
    assert figures.columns() == [[0, 0, 0]] * HISTORY_TICKS
