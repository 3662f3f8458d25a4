"""`tidegate explain` of connections and datagrams: what it prints, and how it ends."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_explain import call

CONFIG = """\
listeners:
  tls:
    bind: ":443"
    tcp:
      routes:
        - {name: postgres, match: {sni: "*.db.test", alpn: postgresql}, to: postgres}
        - {name: any_db, match: {sni: "*.db.test"}, to: web}
        - {name: web, match: {alpn: [h2, http/1.1]}, to: web}
      to: others
  strict: {bind: ":444", tcp: {routes: [{match: {sni: a.test}, to: web}]}}
  dns: {bind: "127.0.0.1:53", udp: {to: [{upstream: web, weight: 9}, {upstream: others, weight: 1}]}}
  empty: {bind: ":54", udp: {to: empty}}
  web: {bind: ":80"}
routes: [{respond: {status: 204}}]
upstreams:
  postgres: {endpoints: ["10.0.0.1:5432"], proxy_protocol: v1}
  web: {endpoints: ["10.0.0.2:80", "10.0.0.3:80"]}
  others: {endpoints: ["db.internal:80"]}
  empty: {endpoints: [{address: "10.0.0.9:53", weight: 0}]}
"""


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration above, in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(CONFIG)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """What it says as JSON."""
    assert call("c.yaml", "--json", "--", *words) == 0
    return json.loads(capsys.readouterr().out)


def test_all_that_leads_a_connection_is_told_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["tcp", "192.0.2.1:443", "--sni", "a.DB.test", "--alpn", "postgresql", "--from", "10.0.0.7"]
    assert call("c.yaml", "--", *words) == 0
    assert capsys.readouterr().out == (
        "tcp 192.0.2.1:443 from 10.0.0.7\n"
        "\n"
        "listener  tls (c.yaml:2:3): it has the port 443\n"
        "begins    with TLS, for the server a.DB.test, and offers the protocols postgresql\n"
        "route     postgres (c.yaml:6:11)\n"
        "upstream  postgres (c.yaml:16:3)\n"
        "endpoint  10.0.0.1:5432 (c.yaml:16:26): no other endpoint is eligible\n"
        "among     10.0.0.1:5432 (c.yaml:16:26): weight 1, eligible (asked ready, checked unknown, outlier in)\n"
        "announces PROXY TCP4 10.0.0.7 192.0.2.1 50000 443\\r\\n\n"
        "\n"
        "Why the other routes lost:\n"
        "  any_db (c.yaml:7:11): it matches too, and postgres is more specific\n"
        "  web (c.yaml:8:11): it asks for h2, http/1.1, and the client offers postgresql\n"
    )


@pytest.mark.parametrize(
    ("words", "route", "upstream", "losers"),
    [
        (["--sni", "a.db.test"], "any_db", "web", ["other_protocol", "other_protocol"]),
        (["--sni", "x.test", "--alpn", "h2"], "web", "web", ["other_name", "other_name"]),
        (["--sni", "x.test"], None, "others", ["other_name", "other_name", "other_protocol"]),
        (["--tls"], None, "others", ["other_name", "other_name", "other_protocol"]),
        ([], None, "others", ["no_tls", "no_tls", "no_tls"]),
    ],
)
def test_a_client_hello_takes_the_route_that_it_takes_in_service(
    capsys: pytest.CaptureFixture[str], words: list[str], route: str | None, upstream: str, losers: list[str]
) -> None:
    found = told(capsys, "tcp", ":443", *words)
    assert (found["route"] and found["route"]["name"], found["balance"]["upstream"]) == (route, upstream)
    assert [other["outcome"] for other in found["others"]] == losers


def test_what_takes_no_route_is_reset_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "tcp", ":444", "--sni", "b.test")
    why = "no route is for the name `b.test`, and there is no `tcp.to`"
    assert (found["endpoint"], found["failure"]) == (None, ["no_route", "route", why])
    assert [other["because"] for other in found["others"]] == ["it is for a.test, and the client asks for b.test"]
    assert call("c.yaml", "--", "tcp", ":444") == 0
    out = capsys.readouterr().out
    assert "resets    no_route at route: no ClientHello came, and there is no `tcp.to`\n" in out
    assert "routes[0] (c.yaml:10:" in out


def test_a_datagram_is_told_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("c.yaml", "--", "udp", ":53") == 0
    out = capsys.readouterr().out
    assert "listener  dns (c.yaml:11:3): it has the port 53\n" in out
    assert ", one of web 9, others 1\n" in out
    assert call("c.yaml", "--", "udp", ":54") == 0
    assert (
        "drops     nothing_eligible at balance: no endpoint of upstream empty is eligible: 10.0.0.9:53 has weight 0"
        in (capsys.readouterr().out)
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["tcp", ":53"], "no `tcp` listener has the port 53; choose one with --listener: tls, strict"),
        (["tcp", ":53", "--listener", "dns"], "no `tcp` listener is named `dns`; there are tls, strict"),
        (["tcp", "db:443"], "`db:443` must be the address that it goes to, as `:443` or `192.0.2.1:443`"),
        (["udp", ":53", "--sni", "a"], "a datagram has no ClientHello: `--sni`, `--alpn` and `--tls` are for `tcp`"),
        (["udp", ":53", "--from", "me"], "`me` must be an IP address"),
        (["tcp", ":443", "-H", "a: b"], "`-H` is for a request"),
        (["GET", "http://a/", "--sni", "a"], "`--sni`, `--alpn` and `--tls` are for a connection, as `tcp :443`"),
        (["GET", "http://a:443/"], "ask for a connection, as `tcp :443`, or a datagram, as `udp :53`"),
    ],
)
def test_what_is_used_wrongly_says_how_it_is_meant(
    capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert call("c.yaml", "--", *words) == 2
    assert says in capsys.readouterr().err
