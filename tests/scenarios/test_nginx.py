"""nginx behind Tidegate: static files, large ones, kept connections, and a short load of wrk."""

import hashlib
import os
from pathlib import Path

import pytest

from tests.peers.messages import get
from tests.peers.nginx import Nginx, Origin
from tests.peers.tidegate import Tidegate, upstream
from tests.peers.wrk import load

pytestmark = pytest.mark.needs("nginx", "wrk")

LARGE = 256 * 1024 * 1024
TELL_CONNECTION = 'location = /connection { return 200 "$connection $connection_requests"; }'


def write_large(path: Path) -> str:
    """Write the large file; no piece of it is like another. Returns its digest."""
    digest, noise = hashlib.sha256(), os.urandom(1024 * 1024 - 8)
    with path.open("wb") as file:
        for number in range(LARGE // (1024 * 1024)):
            piece = number.to_bytes(8) + noise
            file.write(piece)
            digest.update(piece)
    return digest.hexdigest()


@pytest.fixture
def origin(nginx: Nginx) -> Origin:
    """nginx, that tells its connections."""
    return nginx.start(more=TELL_CONNECTION)


def test_a_large_download_is_the_same_at_the_other_end(tidegate: Tidegate, origin: Origin) -> None:
    digest = write_large(origin.files / "large")
    proxy = tidegate.run(upstream(origin.address))
    with proxy.connect(timeout_s=30) as client:
        client.send(get("/files/large"))
        assert f"content-length: {LARGE}\r\n".encode() in client.read_until(b"\r\n\r\n")
        got = hashlib.sha256()
        for piece in client.read_pieces(LARGE):
            got.update(piece)
    assert got.hexdigest() == digest


def test_files_of_all_sizes_come_whole_on_one_connection(tidegate: Tidegate, origin: Origin) -> None:
    sizes = [0, 1, 100, 4096, 16_383, 16_384, 16_385, 65_536, 131_072, 131_073, 1_000_000]
    contents = {f"of-{size}": os.urandom(size) for size in sizes}
    for name, content in contents.items():
        (origin.files / name).write_bytes(content)
    proxy = tidegate.run(upstream(origin.address))
    with proxy.connect() as client:
        for name, content in contents.items():
            assert client.ask(get(f"/files/{name}")).body == content, name


def test_a_file_that_has_not_changed_is_not_sent_again(tidegate: Tidegate, origin: Origin) -> None:
    (origin.files / "a").write_bytes(b"content")
    proxy = tidegate.run(upstream(origin.address))
    with proxy.connect() as client:
        etag = client.ask(get("/files/a")).field("etag")
        again = client.ask(get("/files/a", f"If-None-Match: {etag}"))
        assert (again.status, again.field("etag"), again.body) == (304, etag, b"")
        assert client.ask(get("/files/a")).body == b"content"  # the connection is in step


def test_requests_share_a_kept_connection(tidegate: Tidegate, origin: Origin) -> None:
    proxy = tidegate.run(upstream(origin.address))
    with proxy.connect() as client:
        told = [client.ask(get("/connection")).body.split() for _ in range(50)]
    assert len({connection for connection, _ in told}) == 1
    assert [int(requests) for _, requests in told] == list(range(1, 51))


def test_a_short_load_has_no_error(tidegate: Tidegate, origin: Origin) -> None:
    (origin.files / "a").write_bytes(b"x" * 1024)
    proxy = tidegate.run(upstream(origin.address))
    loaded = load(f"{proxy.url}/files/a", connections=100, seconds=3)
    assert loaded.is_clean, loaded
    assert loaded.requests > 1000


def test_a_load_of_new_connections_has_no_error(tidegate: Tidegate, origin: Origin, tmp_path: Path) -> None:
    script = tmp_path / "close.lua"
    script.write_text('wrk.headers["Connection"] = "close"\n')
    loaded = load(f"{tidegate.run(upstream(origin.address)).url}/", connections=50, seconds=2, script=str(script))
    assert loaded.is_clean, loaded
    assert loaded.requests > 500


def test_an_origin_that_closes_after_each_few_requests_loses_none(tidegate: Tidegate, nginx: Nginx) -> None:
    closing = nginx.start(more="keepalive_requests 7;")
    loaded = load(f"{tidegate.run(upstream(closing.address)).url}/", connections=50, seconds=2)
    assert loaded.is_clean, loaded
