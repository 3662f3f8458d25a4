"""Loading tells every problem, raises for none, and is quick."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.config.load import Loaded, load, load_text

GOLDEN = sorted((Path(__file__).parent.parent / "golden/cases").glob("*.yaml"))
PIECES = st.sampled_from(
    [
        "listeners",
        "routes",
        "upstreams",
        "web",
        "bind",
        ":8080",
        "to",
        "api",
        "match",
        "path",
        "/v1/",
        "token",
        "include",
    ]
    + [
        ": ",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "'",
        '"',
        "|",
        ">",
        "#",
        "&a ",
        "*a",
        "!secret ",
        "!x ",
    ]
    + [
        "\t",
        "é",
        "\u2028",
        "\ufeff",
        "\x00",
        "\r",
        "\r\n",
        "${",
        "}",
        "$${",
        "---\n",
        "...\n",
        "%",
        "@",
        "?",
        "<<",
        "~",
        "1",
    ]
)


@given(st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=30).map("".join)))
def test_any_text_is_a_configuration_or_has_problems_at_places_in_it(text: str) -> None:
    loaded = load_text(text, environment={})
    assert (loaded.config is None) == bool(loaded.problems)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for problem in loaded.problems:
        assert 1 <= problem.at.line <= len(lines)
        assert problem.at.column >= 1
        assert problem.width >= 1
        assert "\n" not in problem.says
        assert problem.says
        str(problem)


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case.stem)
def test_a_configuration_broken_off_at_any_line_has_problems_or_none(case: Path) -> None:
    lines = case.read_text().partition("\n---- ")[0].splitlines(keepends=True)
    for end in range(len(lines)):
        loaded = load_text("".join(lines[:end]), environment={})
        assert (loaded.config is None) == bool(loaded.problems)


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    loaded = load(tmp_path / "gone.yaml")
    assert [problem.says for problem in loaded.problems] == ["cannot be read: No such file or directory"]
    assert load(tmp_path).problems[0].says == "cannot be read: Is a directory"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"threads: 2\nuser: \xe9\n", "2:7 the byte 0xe9 is not UTF-8"),
        ("é: 1\n".encode() + b"\xc3", "2:1 the byte 0xc3 is not UTF-8"),
        ("threads: 2\n".encode("utf-16"), "1:1 this file is UTF-16, and a configuration is UTF-8"),
        (b"\xef\xbb\xbfthread: 2\n", "1:1 unknown key `thread`"),
        (b"user: a\x00b\n", "1:8"),
        (b"threads: 2\r\nthread: 3\r\n", "2:1 unknown key `thread`"),
    ],
)
def test_bytes_that_are_not_plain_utf_8_are_told_at_their_place(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "tidegate.yaml"
    path.write_bytes(content)
    problem = load(path).problems[0]
    assert f"{problem.at.line}:{problem.at.column} {problem.says}".startswith(told)


def ten_thousand_hosts() -> Loaded:
    routes = "".join(
        f'  - name: r{n}\n    match: {{host: "h{n}.example.com", path: "/"}}\n    to: api\n' for n in range(10_000)
    )
    return load_text(
        f'listeners: {{web: {{bind: ":8080"}}}}\nupstreams: {{api: {{endpoints: ["127.0.0.1:1"]}}}}\nroutes:\n{routes}'
    )


def test_ten_thousand_hosts_are_read_within_the_budget() -> None:
    loaded = ten_thousand_hosts()
    assert loaded.config is not None
    assert len(loaded.config.routes) == 10_000
    assert loaded.took_s["parse"] <= 1.5
    assert loaded.took_s["validate"] <= 1.5


def test_a_route_knows_its_place() -> None:
    loaded = load_text("upstreams: {a: {endpoints: ['127.0.0.1:1']}}\nroutes:\n  -\n    to: a\n")
    assert loaded.config is not None
    assert str(loaded.config.routes[0].place) == "tidegate.yaml:4:5"


def test_included_files_are_listed(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites/a.yaml").write_text("listeners: {a: {bind: ':1'}}")
    (tmp_path / "sites/.hidden.yaml").write_text("threads: 3")
    (tmp_path / "main.yaml").write_text("include: [sites/*.yaml, sites/a.yaml, none/*.yaml]")
    loaded = load(tmp_path / "main.yaml")
    assert loaded.problems == ()
    assert [path.name for path in loaded.files] == ["main.yaml", "a.yaml"]
