"""Filters on real sockets: what curl sends, what a backend sees of it, and what comes back."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.peers.backend import Backend, Connection
from tests.peers.curl import Curl
from tests.peers.messages import get
from tests.peers.tidegate import Running, Tidegate, upstream
from tests.peers.waiting import until

pytestmark = pytest.mark.needs("curl")

Backends = Callable[..., Backend]
FILTERS: dict[str, list[dict[str, Any]]] = {
    "/headers/": [
        {"request_headers": {"set": {"X-Api": "1"}, "append": {"Accept": "text/x"}, "remove": ["User-Agent"]}},
        {"response_headers": {"set": {"X-Uri": "{request.uri}"}, "remove": ["Via"]}},
    ],
    "/v1/": [{"rewrite": {"strip_prefix": "/v1", "add_prefix": "/v2", "host": "api.internal"}}],
    "/user/": [{"rewrite": {"regex": {"pattern": "^/user/([0-9]+)$", "with": "/users/$1"}, "query": "full=1"}}],
    "/denied/": [{"deny": ["127.0.0.0/8"]}, {"response_headers": {"add": {"X-Why": "denied"}}}],
    "/allowed/": [{"allow": ["127.0.0.1"]}],
    "/small/": [{"body_limit": "1KiB"}],
    "/named/": [{"request_id": "X-Correlation-Id"}],
    "/traced/": [{"request_id": {"from": 'request.headers["x-trace"]'}}],
    "/made/": [{"rewrite": {"path": '/{request.query["to"]}', "query": "", "host": '{request.query["to"]}.internal'}}],
    "/pages/": [
        {"error_pages": [{"status": 413, "file": "large.html", "send": 400}]},
        {"body_limit": "1KiB"},
    ],
}


@pytest.fixture(scope="module")
def shared(shared_tidegate: Tidegate, shared_backend: Backends) -> tuple[Running, Backend]:
    """An instance with a route for each kind of filter."""
    one, lost = shared_backend(), shared_backend(lose)
    pages = [{"status": 404, "body": '{{"lost": true}}', "content_type": "application/json"}]
    config = upstream(one.address, forwarded={"from": ["127.0.0.1"]}, error_pages=pages)
    config["routes"] = [
        {"name": path.strip("/"), "match": {"path": path}, "filters": filters, "to": "api"}
        for path, filters in FILTERS.items()
    ]
    pages = [{"status": "4xx", "body": "page", "endpoints": True}]
    config["routes"].append({"match": {"path": "/lost/"}, "filters": [{"error_pages": pages}], "to": "lost"})
    config["upstreams"]["lost"] = {"endpoints": [lost.address]}
    config["access_log"] = {"to": "access.log"}
    proxy = shared_tidegate.prepare(config)
    (proxy.folder / "large.html").write_text("<p>Too large.")
    return proxy.start(), one


def lose(connection: Connection) -> None:
    """Answer each request with 404, and fields that a client needs, or must not see."""
    while connection.read_request():
        connection.answer("gone\n", "404 Not Found", "WWW-Authenticate: Basic", "X-Secret: 1")


@pytest.fixture
def url(shared: tuple[Running, Backend]) -> str:
    """Where it serves."""
    return shared[0].url


@pytest.fixture
def origin(shared: tuple[Running, Backend]) -> Backend:
    """Its backend, which has seen nothing yet."""
    shared[1].requests.clear()
    return shared[1]


def test_heads_are_edited_both_ways(curl: Curl, url: str, origin: Backend) -> None:
    got = curl("--header", "X-Api: 0", "--header", "X_Api: 2", f"{url}/headers/?a=%0d%0aX-Evil:%201")
    seen = origin.requests[0]
    assert got.status == 200
    assert (seen.values("x-api"), seen.values("x_api")) == (["1"], [])
    assert (seen.values("accept"), seen.values("user-agent")) == (["*/*, text/x"], [])
    heads = got.heads.lower()
    assert "x-uri: /headers/?a=%0d%0ax-evil:%201\r\n" in heads
    assert "\r\nvia:" not in heads


@pytest.mark.parametrize(
    ("path", "line", "host"),
    [
        ("/v1/a?b=c", "GET /v2/a?b=c HTTP/1.1", ["api.internal"]),
        ("/v1", "GET /v2/ HTTP/1.1", ["api.internal"]),
        ("/v%31/%41//b%2Fc%20", "GET /v2/A/b%2Fc%20 HTTP/1.1", ["api.internal"]),
        ("/user/42?a", "GET /users/42?full=1 HTTP/1.1", None),
        ("/made/?to=abc", "GET /abc HTTP/1.1", ["abc.internal"]),
        ("/user//x%41", "GET /user//x%41?full=1 HTTP/1.1", None),
    ],
)
def test_a_path_is_rewritten(
    curl: Curl, url: str, origin: Backend, path: str, line: str, host: list[str] | None
) -> None:
    assert curl("--path-as-is", f"{url}{path}").status == 200
    assert origin.requests[0].line == line
    assert origin.requests[0].values("host") == (host or [url.removeprefix("http://")])
    assert origin.requests[0].values("x-forwarded-host") == [url.removeprefix("http://")]


@pytest.mark.parametrize("to", ["..", "a%20b", "%2e%2e%2fetc", "a%0d%0ahost:b"])
def test_what_a_stranger_makes_of_a_path_or_host_is_refused(curl: Curl, url: str, origin: Backend, to: str) -> None:
    got = curl(f"{url}/made/?to={to}")
    assert (got.status, got.body[:16]) == (400, b"rewrite_refused:")
    assert origin.requests == []


def test_clients_are_served_by_their_address(curl: Curl, url: str, origin: Backend) -> None:
    denied = curl(f"{url}/denied/")
    assert (denied.status, denied.body) == (403, b"forbidden: this route does not serve the client's address\n")
    assert "x-why: denied\r\n" in denied.heads.lower()
    assert curl("--header", "X-Forwarded-For: 10.0.0.1", f"{url}/denied/").status == 200
    assert curl(f"{url}/allowed/").status == 200
    assert curl("--header", "X-Forwarded-For: 127.0.0.2", f"{url}/allowed/").status == 403
    assert [request.line.split()[1] for request in origin.requests] == ["/denied/", "/allowed/"]


@pytest.mark.parametrize("framing", [[], ["--header", "Transfer-Encoding: chunked"]], ids=["length", "chunks"])
@pytest.mark.parametrize(("size", "status"), [(1024, 200), (1025, 413)])
def test_a_body_is_limited_however_it_is_framed(
    curl: Curl, url: str, origin: Backend, framing: list[str], size: int, status: int
) -> None:
    assert curl(*framing, "--header", "Expect:", "--data", "x" * size, f"{url}/small/").status == status
    assert [len(request.body) for request in origin.requests] == ([size] if status == 200 else [])


def test_an_id_in_another_field_is_the_one_in_the_log(
    curl: Curl, url: str, origin: Backend, shared: tuple[Running, Backend]
) -> None:
    assert curl("--header", "X-Correlation-Id: abc-1", f"{url}/named/").status == 200
    assert (origin.requests[0].values("x-correlation-id"), origin.requests[0].values("x-request-id")) == (["abc-1"], [])
    assert curl("--header", "X-Trace: def-2", f"{url}/traced/").status == 200
    assert origin.requests[1].values("x-request-id") == ["def-2"]
    log = shared[0].folder / "access.log"
    # Two threads serve, and each has its lines written when it likes.
    until(lambda: '"abc-1"' in log.read_text() and '"def-2"' in log.read_text())
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    routes = {line["request_id"]: line["route"] for line in lines}
    assert (routes["abc-1"], routes["def-2"]) == ("named", "traced")


def test_a_failure_shows_the_page_of_its_route_else_of_its_listener(curl: Curl, url: str) -> None:
    large = curl("--data", "x" * 1025, f"{url}/pages/")
    assert (large.status, large.body, large.told["content_type"]) == (400, b"<p>Too large.", "text/html; charset=utf-8")
    assert 'details="body_too_large"' in large.heads
    nowhere = curl(f"{url}/nowhere")
    assert (nowhere.status, nowhere.body, nowhere.told["content_type"]) == (404, b'{"lost": true}', "application/json")


def test_a_page_stands_in_for_an_answer_and_keeps_what_a_client_needs(curl: Curl, url: str) -> None:
    for _ in range(2):  # the second one has a connection of its own
        got = curl(f"{url}/lost/")
        assert (got.status, got.body) == (404, b"page")
        assert "www-authenticate: basic\r\n" in got.heads.lower()
        assert "x-secret" not in got.heads.lower()


def test_faults_are_thrown_for_a_share_of_the_requests(tidegate: Tidegate, backend: Backends) -> None:
    origin = backend()
    config = upstream(origin.address)
    config["routes"][0]["filters"] = [
        {"fault": {"abort": 418, "share": "20%"}},
        {"fault": {"delay": "1ms", "share": "50%"}},
    ]
    proxy = tidegate.run({**config, "threads": 1})
    with proxy.connect() as client:
        seen = [client.ask(get()).status for _ in range(500)]
    assert set(seen) == {200, 418}
    assert 50 <= seen.count(418) <= 150
    assert len(origin.requests) == seen.count(200)


def test_a_fault_befalls_those_alone_who_ask_for_it(tidegate: Tidegate, backend: Backends) -> None:
    config = upstream(backend().address)
    config["routes"][0]["filters"] = [{"fault": {"abort": 503, "when": 'request.headers["x-fault"] == "yes"'}}]
    proxy = tidegate.run(config)
    with proxy.connect() as client:
        asked = b"GET / HTTP/1.1\r\nHost: a\r\nX-Fault: %s\r\n\r\n"
        assert [client.ask(asked % word).status for word in (b"yes", b"no", b"yes")] == [503, 200, 503]
        assert client.ask(get()).status == 200
