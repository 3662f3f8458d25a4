"""Looking names up: hosts file, search domains, and a real name server."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import dns.asyncresolver
import pytest

from tests.peers.name_server import start_dnsmasq
from tidegate.discovery.dns import LookupFailed
from tidegate.discovery.resolver import SystemResolver
from tidegate.discovery.service import Record

RECORDS = """\
local-ttl=7
host-record=api.one.test,10.0.0.1,fd00::1,7
host-record=four.one.test,10.0.0.4,7
host-record=six.one.test,fd00::6,7
host-record=many.one.test,10.0.1.1
host-record=many.one.test,10.0.1.2
cname=alias.one.test,api.one.test
host-record=deep.two.test,10.0.0.2
srv-host=_http._tcp.one.test,api.one.test,8080,10,60
srv-host=_http._tcp.one.test,four.one.test,8081,20,0
srv-host=_none._tcp.one.test
"""


@pytest.fixture
def resolver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SystemResolver]:
    """A resolver with one name server, dnsmasq on a port of the kernel's choice."""
    process, port = start_dnsmasq(tmp_path, RECORDS)
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\nsearch one.test two.test\noptions ndots:2\n")
    (tmp_path / "hosts").write_text("10.9.9.9 listed.test Listed # a comment\n::9 listed\nnonsense listed\n")
    made = dns.asyncresolver.Resolver.__init__

    def on_the_port(self: dns.asyncresolver.Resolver, *words: object, **named: object) -> None:
        made(self, *words, **named)  # type: ignore[arg-type]
        self.port = port

    monkeypatch.setattr(dns.asyncresolver.Resolver, "__init__", on_the_port)
    with process:
        yield SystemResolver(tmp_path / "hosts", tmp_path / "resolv.conf")


@pytest.mark.parametrize(
    ("name", "ips"),
    [
        ("api.one.test", ["10.0.0.1", "fd00::1"]),
        ("api", ["10.0.0.1", "fd00::1"]),  # by the first search domain
        ("deep", ["10.0.0.2"]),  # by the second
        ("alias.one.test", ["10.0.0.1", "fd00::1"]),
        ("four", ["10.0.0.4"]),
        ("six", ["fd00::6"]),
        ("many", ["10.0.1.1", "10.0.1.2"]),
        ("listed", ["10.9.9.9", "::9"]),  # the hosts file comes first
        ("listed.test", ["10.9.9.9"]),
    ],
)
def test_a_name_stands_for_all_its_addresses(resolver: SystemResolver, name: str, ips: list[str]) -> None:
    assert sorted(asyncio.run(resolver.look_up(name)).ips) == ips


def test_the_answer_has_the_ttl_of_its_records(resolver: SystemResolver) -> None:
    assert asyncio.run(resolver.look_up("four")).ttl_s == 7


def test_a_name_without_an_address_says_so(resolver: SystemResolver) -> None:
    with pytest.raises(LookupFailed, match=r"exist: nobody\.one\.test"):
        asyncio.run(resolver.look_up("nobody.one.test"))


def test_a_service_has_records_and_their_ttl(resolver: SystemResolver) -> None:
    answer = asyncio.run(resolver.look_up_service("_http._tcp.one.test"))
    assert sorted(answer.records, key=lambda record: record.port) == [
        Record("api.one.test", 8080, 10, 60),
        Record("four.one.test", 8081, 20, 0),
    ]
    assert answer.ttl_s == 7


def test_a_service_that_is_decidedly_not_there_has_no_target(resolver: SystemResolver) -> None:
    answer = asyncio.run(resolver.look_up_service("_none._tcp.one.test"))
    assert [record.target for record in answer.records] == [""]


def test_a_service_that_nobody_knows_is_a_failed_look_up(resolver: SystemResolver) -> None:
    with pytest.raises(LookupFailed, match="exist"):
        asyncio.run(resolver.look_up_service("_other._tcp.one.test"))


def test_a_missing_resolv_conf_is_a_failed_look_up(tmp_path: Path) -> None:
    with pytest.raises(LookupFailed, match="none cannot be used"):
        asyncio.run(SystemResolver(tmp_path / "hosts", tmp_path / "none").look_up("api"))
