"""Databases are read with the configuration, and what is none, or the wrong one, is told where it is named."""

from pathlib import Path

import pytest

from tests.peers.databases import CITIES, SYSTEMS, write_database
from tidegate.compile.offline import compile_offline
from tidegate.config.load import Loaded, load
from tidegate.explain.ask import explain
from tidegate.explain.request import Request


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where configuration and databases are."""
    monkeypatch.chdir(tmp_path)
    write_database(tmp_path / "city.mmdb", CITIES)
    write_database(tmp_path / "asn.mmdb", SYSTEMS, "Test-ASN")
    return tmp_path


def loaded(folder: Path, text: str) -> Loaded:
    (folder / "c.yaml").write_text(text)
    return load("c.yaml", environment={})


NOT_WHOLE = "is no MaxMind database, or not whole: its end has no metadata"


@pytest.mark.parametrize(
    ("key", "file", "says"),
    [
        ("city", "city", ""),
        ("country", "city", ""),
        ("asn", "asn", ""),
        ("asn", "city", "is a database of the kind `Test-City`, and tells no autonomous system"),
        ("city", "asn", "is a database of the kind `Test-ASN`, and tells no place"),
        ("country", "asn", "is a database of the kind `Test-ASN`, and tells no country"),
        ("city", "none", "cannot be read: No such file or directory"),
        ("city", "cut", NOT_WHOLE),
        ("city", "text", NOT_WHOLE),
    ],
)
def test_a_database_that_does_not_tell_it_is_refused_with_its_place(
    folder: Path, key: str, file: str, says: str
) -> None:
    whole = (folder / "city.mmdb").read_bytes()
    (folder / "cut.mmdb").write_bytes(whole[: len(whole) // 2])
    (folder / "text.mmdb").write_text("a,b,c\n")
    problems = loaded(folder, f"geo:\n  {key}: {file}.mmdb\n").problems
    told = [str(problem).splitlines()[0] for problem in problems]
    assert told == ([f"c.yaml:2:{len(key) + 5}: error: `{folder}/{file}.mmdb` {says}"] if says else [])


ROUTES = """\
geo: {city: city.mmdb, asn: asn.mmdb}
listeners: {web: {bind: ":8080", forwarded: {from: ["192.0.2.1"]}}}
upstreams:
  api:
    balance: nearest
    endpoints:
      - {address: "127.0.0.1:1", location: [51.5, -0.1]}
      - {address: "127.0.0.1:2", location: [40.7, -74.0]}
      - {address: "127.0.0.1:3", location: [-36.8, 174.8]}
routes:
  - name: german
    match: {when: 'client.country == "DE" and client.asn in [64500] and client.continent != "NA"'}
    priority: 1
    to: api
  - {name: unknown, match: {when: 'client.country + client.continent == "" and client.asn == 0'}, to: api}
  - {name: rest, to: api, filters: [{request_headers: {set: {X-From: "{client.country}/{client.asn}"}}}]}
"""


@pytest.mark.parametrize(
    ("client", "route", "endpoint", "because"),
    [
        ("203.0.113.9", "german", "127.0.0.1:1", "its place is the nearest to the client"),
        ("198.51.100.1", "rest", "127.0.0.1:2", "its place is the nearest to the client"),
        ("2001:db8::1", "rest", "127.0.0.1:3", "its place is the nearest to the client"),
        ("10.0.0.1", "unknown", None, "of two drawn by weight it has fewer outstanding requests for its weight"),
    ],
)
def test_what_is_explained_is_what_the_databases_tell(
    folder: Path, client: str, route: str, endpoint: str | None, because: str
) -> None:
    config = loaded(folder, ROUTES).config
    assert config is not None
    told = explain(config, "c.yaml", Request("GET", "http://a.test:8080/", client=client))
    assert (told["route"]["name"], told["balance"]["because"]) == (route, because)
    assert endpoint in (None, told["endpoint"]["address"])
    if route == "rest":
        country = "US" if client == "198.51.100.1" else "AU"
        assert f"X-From: {country}/0\r\n" in told["sent"]


def test_check_compiles_them_as_a_worker_would(folder: Path) -> None:
    config = loaded(folder, ROUTES).config
    assert config is not None
    assert compile_offline(config, "c.yaml").problems == ()
