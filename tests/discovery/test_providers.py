"""Providers: the records of a service, a file, a URL of a real server; clock, chance and resolver are fakes."""

import asyncio
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.peers.certificate import make_certificate
from tests.peers.list_server import ListServer
from tidegate.discovery.dns import Answer, LookupFailed
from tidegate.discovery.fetch import MOST_BYTES
from tidegate.discovery.file import WatchedFile
from tidegate.discovery.provider import NotFound, Provider
from tidegate.discovery.service import Record, Service, ServiceAnswer, endpoints_of
from tidegate.discovery.url import PolledUrl


class Resolver:
    """Knows one service, as it is told, and one host."""

    answer: ServiceAnswer | LookupFailed = ServiceAnswer((), 5)

    async def look_up_service(self, name: str) -> ServiceAnswer:
        if isinstance(self.answer, LookupFailed):
            raise self.answer
        return self.answer

    async def look_up(self, name: str) -> Answer:
        if name != "registry.test":
            raise LookupFailed("no such name")
        return Answer(("::1", "127.0.0.1"), 5)


def look(provider: Provider) -> bytes | None:
    return asyncio.run(provider.look())


def refused(provider: Provider) -> str:
    with pytest.raises(NotFound) as error:
        look(provider)
    return str(error.value)


# Services


def test_records_are_endpoints_with_tiers_by_their_priority() -> None:
    records = [Record("b", 81, 20, 5), Record("a", 80, 10, 60), Record("c", 82, 20, 0), Record("a", 80, 10, 60)]
    assert endpoints_of(records) == [
        {"address": "a:80", "weight": 60, "tier": 0},
        {"address": "b:81", "weight": 5, "tier": 1},
        {"address": "c:82", "weight": 1, "tier": 1},
    ]


def test_a_service_that_is_decidedly_not_there_has_no_endpoint() -> None:
    assert endpoints_of([Record("", 0)]) == []


records = st.builds(
    Record, st.sampled_from(["", "a", "b", "c"]), st.integers(1, 3), st.integers(0, 65_535), st.integers(0, 65_535)
)


@given(st.lists(records, max_size=20))
def test_tiers_keep_the_order_of_priorities_and_no_weight_is_0(given: list[Record]) -> None:
    found = endpoints_of(given)
    assert {each["address"] for each in found} == {f"{each.target}:{each.port}" for each in given if each.target}
    assert all(int(each["weight"]) > 0 for each in found)
    tiers = [int(each["tier"]) for each in found]
    assert sorted(set(tiers)) == list(range(len(set(tiers)))) or not tiers or min(tiers) == 0
    assert tiers == sorted(tiers)


def test_a_service_is_looked_up_again_when_its_ttl_ends_and_told_when_it_is_another() -> None:
    resolver = Resolver()
    service = Service("_http._tcp.api.test", resolver)
    resolver.answer = ServiceAnswer((Record("a", 80),), 30)
    assert json.loads(look(service) or b"") == [{"address": "a:80", "weight": 1, "tier": 0}]
    assert service.next_s == 30
    resolver.answer = ServiceAnswer((Record("a", 80),), 0)
    assert look(service) is None
    assert service.next_s == 1
    resolver.answer = LookupFailed("no server answers")
    assert refused(service) == "no server answers"
    assert service.next_s == 5


# Files


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "endpoints.yaml"


def test_a_file_is_read_when_it_has_been_left_alone(path: Path) -> None:
    path.write_bytes(b"one")
    file = WatchedFile(path)
    assert [look(file), look(file)] == [b"one", None]
    path.write_bytes(b"half")
    assert look(file) is None
    path.write_bytes(b"half and whole")
    assert [look(file), look(file), look(file)] == [None, b"half and whole", None]


def test_a_file_that_is_replaced_by_one_of_equal_size_and_time_is_seen(path: Path) -> None:
    path.write_bytes(b"one")
    file = WatchedFile(path)
    assert look(file) == b"one"
    other, status = path.with_name("other"), path.stat()
    other.write_bytes(b"two")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)
    assert [look(file), look(file)] == [None, b"two"]


def test_a_file_that_goes_and_comes_is_read_again(path: Path) -> None:
    file = WatchedFile(path)
    assert refused(file) == "it cannot be read: No such file or directory"
    path.write_bytes(b"one")
    assert [look(file), look(file)] == [None, b"one"]
    away = path.rename(path.with_name("away"))
    assert refused(file) == "it cannot be read: No such file or directory"
    away.rename(path)
    assert [look(file), look(file)] == [None, b"one"]


def test_a_file_without_end_is_none() -> None:
    assert refused(WatchedFile(Path("/dev/zero"))) == "it is longer than the 4 MiB that a list may have"


# URLs


@pytest.fixture
def server() -> Iterator[ListServer]:
    made = ListServer("10.0.0.1:80")
    yield made
    made.end()


def polled(url: str, timeout_s: float = 5) -> PolledUrl:
    return PolledUrl(url, 10, timeout_s, resolver=Resolver(), chance=lambda: 0.5)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
def test_a_url_is_asked_for_what_is_newer(server: ListServer, chunked: bool) -> None:
    server.chunked = chunked
    url = polled(server.url)
    assert [look(url), look(url)] == [b'["10.0.0.1:80"]', None]
    server.tell()
    assert [look(url), look(url)] == [b"[]", None]
    assert server.answered == {200: 2, 304: 2}


def test_a_list_that_was_refused_is_asked_for_whole(server: ListServer) -> None:
    url = polled(server.url)
    look(url)
    url.refuse()
    assert url.next_s == 20
    assert look(url) == b'["10.0.0.1:80"]'


def test_the_host_of_a_url_is_looked_up_and_each_address_tried(server: ListServer) -> None:
    assert look(polled(f"http://registry.test:{server.port}/")) == b'["10.0.0.1:80"]'
    assert refused(polled("http://other.test/")) == "other.test has no address: no such name"


def test_failures_make_pauses_longer_up_to_a_minute_until_it_is_there_again(server: ListServer) -> None:
    url = polled(server.url)
    server.status = 503
    paused = []
    for _ in range(5):
        assert refused(url) == "it answers with 503 Service Unavailable"
        paused.append(url.next_s)
    assert paused == [20, 40, 60, 60, 60]
    server.status = 200
    look(url)
    assert url.next_s == 10


@pytest.mark.parametrize(("drawn", "pause_s"), [(0, 9), (0.5, 10), (1, 11)])
def test_pauses_differ_by_a_tenth(server: ListServer, drawn: float, pause_s: float) -> None:
    url = PolledUrl(server.url, 10, 5, resolver=Resolver(), chance=lambda: drawn)
    look(url)
    assert url.next_s == pytest.approx(pause_s)


def test_a_redirect_is_told_and_not_followed(server: ListServer) -> None:
    server.status = 301
    assert refused(polled(server.url)) == "it answers with 301 Moved Permanently"


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (b"", "was cut"),
        (b"nonsense\r\n\r\n", "none of HTTP"),
        (HEAD + b"Content-Length: 10\r\n\r\n[]", "was cut"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n[", "was cut"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nz\r\n", "none of HTTP"),
        (HEAD + b"Content-Length: 10000000\r\n\r\n", "longer than the 4 MiB"),
        (HEAD + b"\r\n" + b"x" * (MOST_BYTES + 1), "longer than the 4 MiB"),
        (HEAD + b"X: " + b"x" * 100_000 + b"\r\n\r\n", "none of HTTP"),
    ],
    ids=["nothing", "nonsense", "cut", "cut in a chunk", "no chunk", "long", "long without length", "long head"],
)
def test_what_is_no_whole_answer_is_told(says: bytes, reason: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            sock, _ = listening.accept()
            with sock:
                sock.recv(65_536)
                sock.sendall(says)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65_536):
                    pass

        threading.Thread(target=serve, daemon=True).start()
        assert reason in refused(polled(f"http://127.0.0.1:{listening.getsockname()[1]}/"))


def test_an_answer_must_be_whole_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = polled(f"http://127.0.0.1:{listening.getsockname()[1]}/", timeout_s=0.05)
        assert refused(url) == "no whole answer within 0.05 s"


def test_a_certificate_must_be_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = make_certificate(tmp_path)
    server = ListServer("10.0.0.1:80", certificate=certificate)
    url = polled(f"https://registry.test:{server.port}/")
    assert refused(url) == "its certificate is not trusted: self-signed certificate"
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # the machine's authorities, as OpenSSL finds them
    assert look(url) == b'["10.0.0.1:80"]'
    assert "not trusted" in refused(polled(f"https://127.0.0.1:{server.port}/"))
    server.end()


def test_nobody_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    says = f"127.0.0.1 port {port} cannot be connected to: Connection refused"
    assert refused(polled(f"http://127.0.0.1:{port}/")) == says
