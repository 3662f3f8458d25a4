"""Which route takes a request: what the running proxy does, and that `tidegate explain` says the same beforehand."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.peers.backend import Backend
from tests.peers.messages import get, head
from tests.peers.tidegate import COMMAND, Running, Tidegate
from tests.peers.waiting import until
from tests.telling.asking import lines

Backends = Callable[..., Backend]
Shared = tuple[Running, Path]

ROUTES: list[dict[str, Any]] = [
    {"name": "all", "to": "api"},
    {"name": "wild", "match": {"host": "*.test"}, "to": "api"},
    {"name": "host", "match": {"host": "a.test"}, "to": "api"},
    {"name": "post", "match": {"host": "a.test", "methods": ["POST"]}, "to": "api"},
    {"name": "beta", "match": {"host": "a.test", "headers": {"X-Beta": "1"}}, "to": "api"},
    {"name": "page", "match": {"host": "a.test", "query": {"page": "2"}}, "to": "api"},
    {"name": "exact", "match": {"host": "a.test", "path": {"exact": "/x"}, "methods": ["GET"]}, "to": "api"},
    {"name": "regex", "match": {"host": "a.test", "path": {"regex": "^/x"}, "query": {"r": "1"}}, "to": "api"},
    {"name": "prefix", "match": {"host": "a.test", "path": "/x"}, "to": "api"},
    {"name": "near", "match": {"host": "b.test", "from": ["127.0.0.0/8"]}, "to": "api"},
    {"name": "far", "match": {"host": "b.test", "from": ["10.0.0.0/8"]}, "to": "api"},
    {"name": "when", "match": {"host": "c.test", "when": 'request.cookies["s"] == "1"'}, "to": "api"},
    {"name": "admin", "match": {"host": "a.test", "path": "/admin"}, "to": "api"},
    {"name": "old", "match": {"host": "old.test"}, "redirect": {"to": "https://new.test{request.uri}", "status": 308}},
    {"name": "json", "match": {"path": {"exact": "/json"}}, "respond": {"body": "{}", "content_type": "a/json"}},
    {"name": "put", "listeners": ["other"], "match": {"methods": ["PUT"]}, "to": "api"},
]

CASES: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "nothing but a host": ("GET", "a.test", "/", ()),
    "another method": ("POST", "a.test", "/", ()),
    "methods before headers": ("POST", "a.test", "/", ("x-beta: 1",)),
    "a header in any case": ("GET", "a.test", "/", ("x-BETA: 1",)),
    "a header twice": ("GET", "a.test", "/", ("x-beta: 1", "x-beta: 1")),
    "headers before query": ("GET", "a.test", "/?page=2", ("x-beta: 1",)),
    "a query term": ("GET", "a.test", "/?a&page=%32", ()),
    "an exact path": ("GET", "a.test", "/x", ()),
    "an exact path with another method": ("POST", "a.test", "/x", ()),
    "a regex": ("POST", "a.test", "/x?r=1", ()),
    "a prefix": ("POST", "a.test", "/x/y", ()),
    "a wildcard": ("GET", "z.test", "/", ()),
    "a port and case": ("GET", "A.test:80", "/", ()),
    "a near client": ("GET", "b.test", "/", ()),
    "an expression": ("GET", "c.test", "/", ("cookie: s=1",)),
    "an expression that is false": ("GET", "c.test", "/", ("cookie: s=2",)),
    "no host of ours": ("GET", "nobody", "/", ()),
    "a redirect": ("GET", "old.test", "/a%20b?c=d", ()),
    "an answer": ("GET", "a.test", "/json", ()),
    "dot segments": ("GET", "a.test", "/x/../y", ()),
    "two readings": ("GET", "a.test", "/%2Fadmin/y", ()),
    "a wrong host": ("GET", "a b", "/", ()),
    "a refused method": ("TRACE", "a.test", "/", ()),
}


@pytest.fixture(scope="module")
def shared(shared_tidegate: Tidegate, shared_backend: Backends, tmp_path_factory: pytest.TempPathFactory) -> Shared:
    """An instance with all of these routes, and its access log."""
    listeners = {"web": {"bind": "127.0.0.1:0"}, "other": {"bind": "127.0.0.1:0"}}
    routes = [{"listeners": ["web"], **route} for route in ROUTES]
    log = tmp_path_factory.mktemp("log") / "access.log"
    upstreams = {"api": {"endpoints": [shared_backend().address]}}
    config = {"listeners": listeners, "routes": routes, "upstreams": upstreams, "access_log": {"to": str(log)}}
    return shared_tidegate.run({"threads": 1, **config}), log


def explained(running: Running, *words: str) -> Any:
    """What `tidegate explain --json` says."""
    done = subprocess.run(
        [*COMMAND, "explain", str(running.path), "--json", "--listener", "web", "--", *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize("case", CASES)
def test_explain_says_what_the_running_proxy_does(shared: Shared, case: str) -> None:
    (proxy, log), (method, host, target, fields) = shared, CASES[case]
    before = len(lines(log))
    with proxy.connect() as client:
        answer = client.ask(head(method, target, *fields, host=host))
    until(lambda: len(lines(log)) > before)
    line = lines(log)[before]
    words = [word for field in fields for word in ("-H", field)]
    told = explained(proxy, method, target, "-H", f"Host: {host}", *words)
    assert (told["route"] or {}).get("name") == line.get("route")
    assert (told["endpoint"] or {}).get("address") == line.get("endpoint")
    if told["answer"] is not None:
        assert told["answer"]["status"] == answer.status
        assert (told["answer"]["failure"] or [None, None, None])[0] == line.get("failure")
        assert (told["answer"]["failure"] or [None, None, None])[2] == line.get("reason")


def test_a_redirect_keeps_path_and_query_and_nobody_chooses_where_it_leads(shared: Shared) -> None:
    with shared[0].connect() as client:
        answer = client.ask(get('//evil.test/%0d%0aset-cookie:%20x?a=\\b"').replace(b"Host: api", b"Host: old.test"))
    assert answer.status == 308
    assert answer.field("location") == 'https://new.test//evil.test/%0d%0aset-cookie:%20x?a=%5Cb"'
    assert answer.field("set-cookie") is None


def test_where_only_the_method_differs_the_log_says_so(shared: Shared) -> None:
    proxy, log = shared
    with proxy.connect("other") as client:
        assert client.ask(get("/only-other")).status == 404
    until(lambda: lines(log)[-1]["path"] == "/only-other")
    line = lines(log)[-1]
    assert line["failure"] == "no_route"
    assert line["reason"].endswith("with method `GET`; with another, put would")


def split(key: str | None, *weights: int) -> Any:
    """A target that two upstreams share."""
    shares = [{"upstream": name, "weight": weight} for name, weight in zip(("one", "two"), weights, strict=True)]
    return {"split": shares} | ({} if key is None else {"key": key})


def test_weights_share_requests_by_chance_or_by_a_key(tidegate: Tidegate, backend: Backends) -> None:
    one, two = backend(), backend()
    config = {
        "listeners": {"web": {"bind": "127.0.0.1:0"}},
        "routes": [
            {"match": {"path": "/chance"}, "to": split(None, 3, 1)["split"]},
            {"match": {"path": "/key"}, "to": split('request.query["k"]', 3, 1)},
            {"match": {"path": "/none"}, "to": split(None, 0, 1)},
        ],
        "upstreams": {"one": {"endpoints": [one.address]}, "two": {"endpoints": [two.address]}},
    }
    running = tidegate.run(config)
    with running.connect() as client:
        for _ in range(400):
            assert client.ask(get("/chance")).status == 200
        for number in range(200):
            for _ in range(2):
                assert client.ask(get(f"/key?k={number}")).status == 200
        assert client.ask(get("/none")).status == 200

    def seen(backend: Backend, path: str) -> Counter[str]:
        targets = (request.line.split(" ")[1] for request in backend.requests)
        return Counter(target for target in targets if target.startswith(path))

    assert 50 < sum(seen(two, "/chance").values()) < 150
    keys_of_one, keys_of_two = seen(one, "/key"), seen(two, "/key")
    assert not set(keys_of_one) & set(keys_of_two)
    assert set((keys_of_one + keys_of_two).values()) == {2}
    assert 20 < len(keys_of_two) < 80
    assert (len(seen(one, "/none")), len(seen(two, "/none"))) == (0, 1)
