"""What both languages say of filters is the same: their order, and what none of them may write."""

import re
from pathlib import Path

from tidegate.config.filters.fields import FIXED
from tidegate.config.filters.filter import SEVERAL, Filter
from tidegate.config.load import load_text

HOUSE = Path(__file__).parents[2]
CORE = HOUSE / "crates/core/src/filter"
PAGE = HOUSE / "docs/filters.md"


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


def test_the_page_tells_the_order_and_its_example_is_right(tmp_path: Path) -> None:
    page = PAGE.read_text()
    rows = re.findall(r"^\| [0-9]+ \| (.*?) \|", page, re.MULTILINE)
    assert [name for row in rows for name in re.findall("`(.*?)`", row)] == list(Filter.model_fields)
    example = re.search(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert example is not None
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages/broken.html").write_text("<p>")
    rest = 'listeners: {web: {bind: ":80"}}\nupstreams: {api: {endpoints: ["127.0.0.1:1"]}}\n'
    loaded = load_text(example[1] + rest, folder=tmp_path)
    assert loaded.problems == ()
    assert loaded.config is not None
    assert len(loaded.config.routes[0].filters) == 6
