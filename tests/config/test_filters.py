"""What both languages say of filters is the same: their order, and what none of them may write."""

import re
from pathlib import Path

from tidegate.config.filters.fields import FIXED
from tidegate.config.filters.filter import SEVERAL, Filter

CORE = Path(__file__).parents[2] / "crates/core/src/filter"


def listed(file: str, name: str) -> list[str]:
    """The words of a list in the core's source."""
    body = re.search(rf"pub const {name}: &\[&str\] = &\[(.*?)\];", (CORE / file).read_text(), re.DOTALL)
    assert body is not None
    return re.findall(r'^ *"([a-z0-9_-]+)",$', body[1], re.MULTILINE)


def test_filters_stand_in_the_order_in_which_the_core_runs_them() -> None:
    assert list(Filter.model_fields) == listed("mod.rs", "ORDER")
    assert set(SEVERAL) < set(Filter.model_fields)


def test_both_languages_refuse_to_write_the_same_fields() -> None:
    assert list(FIXED) == listed("headers.rs", "FIXED")
