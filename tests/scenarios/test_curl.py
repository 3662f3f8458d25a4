"""curl through Tidegate, in front of nginx for downloads and uvicorn for uploads."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.curl import Curl
from tests.peers.nginx import Nginx
from tests.peers.python_servers import PythonServers
from tests.peers.tidegate import Tidegate, upstream

pytestmark = pytest.mark.needs("curl", "nginx", "uvicorn")

CONTENT = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture(scope="module")
def file_url(shared_tidegate: Tidegate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A file of nginx, through Tidegate."""
    starter = Nginx(tmp_path_factory.mktemp("nginx"))
    origin = starter.start()
    (origin.files / "a").write_bytes(CONTENT)
    yield f"{shared_tidegate.run(upstream(origin.address)).url}/files/a"
    starter.end()


@pytest.fixture(scope="module")
def upload_url(shared_tidegate: Tidegate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """uvicorn, through Tidegate."""
    starter = PythonServers(tmp_path_factory.mktemp("uvicorn"))
    yield f"{shared_tidegate.run(upstream(starter.uvicorn())).url}/u"
    starter.end()


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    """A file to upload."""
    path = tmp_path / "upload"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize("version", ["--http1.1", "--http1.0"])
def test_a_download_is_whole(curl: Curl, file_url: str, version: str) -> None:
    got = curl(version, file_url)
    assert (got.code, got.status, got.body == CONTENT) == (0, 200, True)


def test_head_has_the_length_and_no_body(curl: Curl, file_url: str) -> None:
    got = curl("--head", file_url)
    assert (got.code, got.status) == (0, 200)
    assert f"content-length: {len(CONTENT)}\r\n" in got.heads.lower()


def test_a_download_is_resumed_where_it_ended(curl: Curl, file_url: str) -> None:
    assert curl("--range", "100-199", file_url).body == CONTENT[100:200]
    got = curl("--continue-at", "-", file_url, begun=CONTENT[:300_000])
    assert (got.code, got.status, got.body == CONTENT) == (0, 206, True)
    assert f"content-range: bytes 300000-{len(CONTENT) - 1}/{len(CONTENT)}\r\n" in got.heads.lower()


def test_a_range_that_is_not_there_is_told(curl: Curl, file_url: str) -> None:
    assert curl("--range", "9999999-", file_url).status == 416


@pytest.mark.parametrize(
    ("words", "asks_first"),
    [
        (["--upload-file", "FILE"], True),
        (["--upload-file", "-"], True),
        (["--upload-file", "FILE", "--header", "Expect:"], False),
        (["--upload-file", "FILE", "--http1.0"], False),
        (["--data-binary", "@FILE", "--header", "Expect:"], False),
    ],
    ids=["expect", "chunked", "length", "http1.0", "post"],
)
def test_an_upload_arrives_whole(upload_url: str, curl: Curl, upload: Path, words: list[str], asks_first: bool) -> None:
    named = [word.replace("FILE", str(upload)) for word in words]
    got = curl("--expect100-timeout", "20", *named, upload_url, stdin=CONTENT)
    assert (got.code, got.status) == (0, 200), got
    told = json.loads(got.body)
    assert (told["body"], told["sha256"]) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert ("100 Continue" in got.heads) == asks_first


def test_a_unix_listener_serves(tidegate: Tidegate, nginx: Nginx, curl: Curl, tmp_path: Path) -> None:
    tidegate.run(upstream(nginx.start().address, bind=f"unix:{tmp_path}/web.sock"))
    got = curl("--unix-socket", tmp_path / "web.sock", "http://api/")
    assert (got.status, got.body) == (200, b"origin-1\n")


def test_an_ipv6_listener_serves(tidegate: Tidegate, nginx: Nginx, curl: Curl) -> None:
    proxy = tidegate.run(upstream(nginx.start().address, bind="[::1]:0"))
    got = curl(f"{proxy.url}/")
    assert (got.status, got.body, got.told["remote_ip"]) == (200, b"origin-1\n", "::1")


def test_a_listener_on_all_addresses_serves_both_families(tidegate: Tidegate, nginx: Nginx, curl: Curl) -> None:
    proxy = tidegate.run(upstream(nginx.start().address, bind=":0"))
    port = proxy.address().rsplit(":", 1)[1]
    for host in ("127.0.0.1", "[::1]"):
        assert curl(f"http://{host}:{port}/").body == b"origin-1\n", host


def test_a_kept_connection_is_used_again(curl: Curl, file_url: str) -> None:
    got = curl(file_url, "-o", "/dev/null", file_url)
    assert (got.code, got.heads.count("HTTP/1.1 200")) == (0, 2)
