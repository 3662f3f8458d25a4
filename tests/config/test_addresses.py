"""Addresses read what they print; two that cannot both be bound say so."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.config.addresses import BindAddress, EndpointAddress, Network

HOSTS = st.one_of(st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(lambda ip: f"[{ip}]"))


@given(HOSTS, st.integers(1, 65_535))
def test_an_address_reads_what_it_prints(host: str, port: int) -> None:
    for kind in (BindAddress, EndpointAddress):
        once = kind.read(f"{host}:{port}", Path())
        assert kind.read(str(once), Path()) == once


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    for kind in (BindAddress, EndpointAddress, Network):
        try:
            once = kind.read(text, Path("/here"))
        except ValueError:
            continue
        assert kind.read(str(once), Path("/here")) == once


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_the_ipv4_address_that_it_is(ip: object) -> None:
    assert BindAddress.read(f"[::ffff:{ip}]:80", Path()) == BindAddress.read(f"{ip}:80", Path())
    assert Network.read(f"::ffff:{ip}/128", Path()) == Network.read(f"{ip}", Path())


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        (":80", "127.0.0.1:80", True),
        (":80", "[::1]:80", True),
        (":80", "[::]:80", True),
        (":80", ":81", False),
        ("0.0.0.0:80", "127.0.0.1:80", True),
        ("0.0.0.0:80", "[::1]:80", False),
        ("127.0.0.1:80", "127.0.0.2:80", False),
        ("127.0.0.1:80", "127.0.0.1:80", True),
        ("unix:/a", "unix:/a", True),
        ("unix:/a", "unix:/b", False),
        ("unix:/a", ":80", False),
    ],
)
def test_two_addresses_overlap_when_they_cannot_both_be_bound(one: str, other: str, overlap: bool) -> None:
    first, second = BindAddress.read(one, Path()), BindAddress.read(other, Path())
    assert first.overlaps(second) is second.overlaps(first) is overlap
