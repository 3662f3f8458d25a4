"""RESULTS.md keeps what other programs wrote."""

from bench.results import replaced


def test_a_section_takes_the_place_of_the_one_before() -> None:
    before = "# One\n\nold\n\n# Two\n\nstays\n"
    assert replaced(before, "# One", "new\n\n| table |\n") == "# One\n\nnew\n\n| table |\n\n# Two\n\nstays\n"


def test_a_new_section_comes_last() -> None:
    assert replaced("# One\n\nstays\n", "# Two", "new") == "# One\n\nstays\n\n# Two\n\nnew\n"
    assert replaced("", "# One", "new") == "# One\n\nnew\n"


def test_a_title_that_begins_like_another_is_another() -> None:
    assert replaced("# One and more\n\nstays\n", "# One", "new").startswith("# One and more\n\nstays\n")
