"""Which hosts need a certificate, and which can have none."""

import pytest

from tidegate.certificates.names import covers
from tidegate.certificates.subjects import choose


@pytest.mark.parametrize(
    ("names", "host", "yes"),
    [
        (["a.test"], "a.test", True),
        (["a.test"], "b.a.test", False),
        (["*.a.test"], "b.a.test", True),
        (["*.a.test"], "c.b.a.test", False),
        (["*.a.test"], "a.test", False),
        (["*.a.test"], "*.a.test", True),
        (["*.0.0.1"], "127.0.0.1", False),
        (["127.0.0.1"], "127.0.0.1", True),
        (["[::1]"], "[::1]", True),
        ([], "a.test", False),
    ],
)
def test_a_star_stands_for_one_label(names: list[str], host: str, yes: bool) -> None:
    assert covers(names, host) is yes


def test_each_host_has_its_own_and_those_below_a_star_none() -> None:
    hosts = ["a.example.org", "*.example.org", "example.org", "x.y.example.org"]
    assert choose(hosts, public=True, by_dns=True).names == ("*.example.org", "example.org", "x.y.example.org")


def test_what_no_public_issuer_gives_is_told_with_the_way_out() -> None:
    told = choose(["127.0.0.1", "*.example.org", "printer", "nas.local", "example.org"], public=True, by_dns=False)
    assert told.names == ("example.org",)
    assert dict(told.without) == {
        "127.0.0.1": "it is an address, and issuers want a name",
        "*.example.org": "a star can be shown to be ours by DNS alone: give `certificates.dns` or `certificates.hook`",
        "printer": "it is no name of the public DNS: `tls: internal` makes a certificate for it",
        "nas.local": "it is no name of the public DNS: `tls: internal` makes a certificate for it",
    }


def test_an_authority_of_one_s_own_takes_all_names() -> None:
    hosts = ["127.0.0.1", "*.example.org", "printer", "nas.local"]
    assert choose(hosts, public=False, by_dns=False) == choose(hosts, public=False, by_dns=True)
    assert choose(hosts, public=False, by_dns=False).names == tuple(hosts)
