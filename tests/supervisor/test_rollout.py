"""One rollout: its steps, and the split that a route becomes. The clock and the figures are the test's."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.supervisor.guard import Figures
from tidegate.supervisor.rollout import Rollout

WELL, ILL = Figures(good=100), Figures(good=50, bad=50)


def rollout(**fields: Any) -> Rollout:
    made = {"steps": [1, 50, 100], "hold_s": 30, "guard": "error_rate < 1%", "least": 50, "configured": "", "since": 0}
    return Rollout.model_validate({"route": "all", "to": "new", **made, **fields})


def test_it_goes_from_step_to_step_and_is_done() -> None:
    one = rollout()
    assert not one.judge(WELL, WELL, 29)
    for now, share in ((30, 50), (60, 100)):
        assert one.judge(WELL, WELL, now)
        assert (one.state, one.share) == ("running", share)
    assert not one.judge(WELL, WELL, 89)
    assert one.judge(WELL, WELL, 90)
    assert (one.state, one.share) == ("done", 100)
    assert not one.judge(ILL, WELL, 1000)


def test_a_broken_guard_rolls_back_at_once_also_while_it_is_paused() -> None:
    for state in ("running", "paused"):
        one = rollout(state=state, step=1)
        assert one.judge(ILL, WELL, 1)
        assert (one.state, one.share, one.holds_route) == ("rolled_back", 0, False)
        assert one.reason == "error_rate is 50.00%, which breaks `error_rate < 0.01`"


def test_too_few_requests_neither_break_nor_end_a_step() -> None:
    one = rollout(least=101)
    assert not one.judge(ILL, WELL, 1000)
    assert one.state == "running"


def test_a_paused_one_stays() -> None:
    one = rollout(state="paused")
    assert not one.judge(WELL, WELL, 1000)


def shares(target: dict[str, Any]) -> dict[int, int]:
    return {each["upstream"]: each["weight"] for each in target["split"]["shares"]}


def test_the_others_keep_their_shares_among_themselves_and_the_key_stays() -> None:
    split = {"shares": [{"upstream": 0, "weight": 3}, {"upstream": 1, "weight": 1, "subset": 2}], "key": {"a": 1}}
    target = rollout(steps=[20]).target({"split": split}, 5)
    assert shares(target) == {0: 6000, 1: 2000, 5: 2000}
    assert target["split"]["key"] == {"a": 1}
    assert target["split"]["shares"][1]["subset"] == 2


@pytest.mark.parametrize("configured", [{"upstream": 0}, {"part": {"upstream": 0, "subset": 1}}])
def test_at_100_percent_the_others_get_nothing(configured: dict[str, Any]) -> None:
    assert shares(rollout(step=2).target(configured, 1)) == {0: 0, 1: 10_000}
    assert shares(rollout(step=0).target(configured, 1)) == {0: 9_900, 1: 100}


@given(st.dictionaries(st.integers(0, 9), st.integers(0, 65_535), min_size=1), st.floats(0.01, 99))
def test_the_new_upstream_has_its_share(weights: dict[int, int], percent: float) -> None:
    split = {"shares": [{"upstream": index, "weight": weight} for index, weight in weights.items()], "key": None}
    found = shares(rollout(steps=[percent]).target({"split": split}, 3))
    others = sum(weight for index, weight in weights.items() if index != 3)
    assert found[3] > 0
    if others:
        assert abs(found[3] / sum(found.values()) - percent / 100) < 0.002
