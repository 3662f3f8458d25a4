"""Lists of endpoints as providers have them: the whole list or none of it, and what is wrong with its place."""

from pathlib import Path

import pytest

from tidegate.config.endpoint_list import read_endpoint_list


def read(text: str) -> list[tuple[str, int, int]]:
    found = read_endpoint_list(text.encode(), "list.yaml")
    assert found.problems == ()
    return [(str(each.address), each.weight, each.tier) for each in found.endpoints]


def problems(content: bytes) -> list[str]:
    found = read_endpoint_list(content, "list.yaml")
    assert found.endpoints == ()
    return [str(each).partition("\n")[0] for each in found.problems]


@pytest.mark.parametrize(
    "text",
    [
        '- "10.0.0.1:80"\n- {address: "api.test:81", weight: 3, tier: 1}\n',
        '["10.0.0.1:80", {"address": "api.test:81", "weight": 3, "tier": 1}]',
        '\ufeff[\n\t"10.0.0.1:80",\r\n\t{"address": "api.test:81", "weight": 3, "tier": 1}\n]\n',
    ],
    ids=["yaml", "json", "json with tabs and a byte order mark"],
)
def test_a_list_is_yaml_or_json(text: str) -> None:
    assert read(text) == [("10.0.0.1:80", 1, 0), ("api.test:81", 3, 1)]


def test_an_empty_list_is_one() -> None:
    assert read("[]") == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", ["list.yaml:1:1: error: a list of endpoints is a list, and this is nothing"]),
        (b"{}", ["list.yaml:1:1: error: a list of endpoints is a list, and this is a mapping"]),
        (b"- 10.0.0.1:80\n- 10.0.0.2:x\n- {address: 'a:1', wait: 2}\n", None),
        (b"- 10.0.0.1:80\n- 10.0.0.1:80\n", ["list.yaml:2:3: error: the endpoint `10.0.0.1:80` stands here twice"]),
        (b"- ${HOME}:80\n", None),
        (b'["10.0.0.1:80", {"address": "10.0.0', None),
        (b"- \xff\n", ["list.yaml:1:3: error: the byte 0xff is not UTF-8"]),
        (b"- {srv: _http._tcp.api.test}\n", None),
    ],
    ids=["nothing", "a mapping", "wrong entries", "twice", "a variable", "cut", "not UTF-8", "a provider"],
)
def test_half_a_list_is_none(content: bytes, says: list[str] | None) -> None:
    found = problems(content)
    assert found
    assert all(each.startswith("list.yaml:") for each in found)
    assert says is None or found == says


def test_every_wrong_entry_is_told_at_its_place() -> None:
    found = problems(b"- 10.0.0.1:80\n- 10.0.0.2:x\n- {address: 'a:1', wait: 2}\n")
    assert [each.split(": error: ")[0] for each in found] == ["list.yaml:2:3", "list.yaml:3:20"]
    assert "unknown key `wait`" in found[1]


def test_variables_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUSH", "secret")
    assert "secret" not in str(read_endpoint_list(b"- ${HUSH}:80\n", "list.yaml").problems)


def test_relative_paths_begin_at_the_folder() -> None:
    found = read_endpoint_list(b"- unix:app.sock\n", "list.yaml", Path("/run/app"))
    assert [str(each.address) for each in found.endpoints] == ["unix:/run/app/app.sock"]
