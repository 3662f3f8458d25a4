"""The examples are right: a reader copies them. Each is started as it stands there, but for ports, and does its job."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.peers.backend import Backend
from tests.peers.sockets import Client
from tests.peers.tidegate import Running, Tidegate
from tidegate import load
from tidegate.demo.run import ADMIN, LISTEN, configuration

EXAMPLES = Path(__file__).parents[2] / "examples"
MAIN = [*EXAMPLES.glob("*.yaml"), *EXAMPLES.glob("*.py"), *EXAMPLES.glob("*/tidegate.yaml")]
STARTED = Callable[[str], Running]


@pytest.mark.parametrize("path", sorted(MAIN), ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_an_example_has_no_problems_and_is_listed(path: Path) -> None:
    assert load(path).problems == ()
    name = path.name if path.parent == EXAMPLES else f"{path.parent.name}/"
    assert f"| `{name}` |" in (EXAMPLES / "README.md").read_text()


def test_the_demo_has_no_problems(tmp_path: Path) -> None:
    path = tmp_path / "demo.yaml"
    path.write_text(configuration(tmp_path, ["127.0.0.1:9001", "127.0.0.1:9002"], "127.0.0.1:9003", LISTEN, ADMIN))
    assert load(path).problems == ()


@pytest.fixture
def start(
    tidegate: Tidegate, backend: Callable[..., Backend], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> STARTED:
    """`start("first.yaml")` runs a copy of an example; each address that it sends to is a backend of that name."""
    backends: dict[str, Backend] = {}

    def there(found: re.Match[str]) -> str:
        if found[0] not in backends:
            host = f"unix:{tmp_path}/live.sock" if found[0].startswith("unix:") else "127.0.0.1"
            backends[found[0]] = backend(name=found[0], host=host)
        return backends[found[0]].address

    def start(name: str) -> Running:
        running = tidegate.prepare("")
        shutil.copytree(EXAMPLES, running.folder, dirs_exist_ok=True)
        for path in [*running.folder.rglob("*.yaml"), *running.folder.glob("*.py")]:
            text = re.sub(r"127\.0\.0\.1:(90\d\d|8001)|unix:/run/live\.sock", there, path.read_text())
            path.write_text(re.sub(r'"(127\.0\.0\.1)?:(8080|9901)"', '"127.0.0.1:0"', text))
        running.path = running.folder / name
        monkeypatch.setenv("STATE_DIRECTORY", str(running.state))
        return running.start()

    return start


def ask(client: Client, host: str, path: str, *fields: str) -> Any:
    """Ask; the answer is what the backend received, or a text of our own."""
    head = "".join(f"{line}\r\n" for line in (f"GET {path} HTTP/1.1", f"Host: {host}", *fields))
    body = client.ask(f"{head}\r\n").body.decode()
    return json.loads(body) if body.startswith("{") else body


WHERE = {
    "one-service.yaml": {("any.test", "/any"): "127.0.0.1:9001"},
    "first.yaml": {("any.test", "/healthz"): "ok\n"},
    "python-backends.yaml": {
        ("any.test", "/api/items"): "127.0.0.1:8001",
        ("any.test", "/live"): "unix:/run/live.sock",
    },
    "host-and-path.yaml": {
        ("www.example.com", "/api/items"): "127.0.0.1:9001",
        ("www.example.com", "/api"): "127.0.0.1:9001",
        ("www.example.com", "/static/a.css"): "127.0.0.1:9002",
        ("www.example.com", "/apis"): "127.0.0.1:9003",
        ("a.b.shop.example.com", "/"): "127.0.0.1:9004",
        ("www.example.com", "/healthz"): "127.0.0.1:9003",
        ("other.test", "/healthz"): "ok\n",
    },
    "many-hosts/tidegate.yaml": {
        ("blog.example.com", "/"): "127.0.0.1:9001",
        ("wiki.example.com", "/"): "127.0.0.1:9002",
        ("other.example.com", "/"): "no such site\n",
    },
}
WHERE["many_hosts.py"] = WHERE["many-hosts/tidegate.yaml"]


@pytest.mark.parametrize("name", WHERE)
def test_requests_go_where_the_example_says(name: str, start: STARTED) -> None:
    with start(name).connect() as client:
        for (host, path), expected in WHERE[name].items():
            answer = ask(client, host, path)
            assert (answer if isinstance(answer, str) else answer["name"]) == expected, (host, path)


@pytest.mark.parametrize(("name", "shares"), [("first.yaml", [6, 6]), ("three-servers.yaml", [3, 3, 6])])
def test_servers_take_their_shares(name: str, shares: list[int], start: STARTED) -> None:
    with start(name).connect() as client:
        seen = Counter(ask(client, "any.test", "/")["name"] for _ in range(12))
    assert [seen[each] for each in sorted(seen)] == shares


def test_headers_and_paths_are_rewritten(start: STARTED) -> None:
    with start("headers-and-rewriting.yaml").connect() as client:
        answer = client.ask("GET /v1/items?page=2 HTTP/1.1\r\nHost: any.test\r\nCookie: a=b\r\n\r\n")
    seen = json.loads(answer.body)
    fields = {name.lower(): value for name, value in seen["fields"]}
    assert seen["line"] == "GET /items?page=2 HTTP/1.1"
    assert (fields["x-api-version"], fields["x-client"], fields.get("cookie")) == ("1", "127.0.0.1", None)
    assert answer.field("strict-transport-security") == "max-age=63072000"
    assert answer.field("x-frame-options") == "DENY"


def test_a_canary_gets_its_share_and_sessions_stay(start: STARTED) -> None:
    with start("canary.yaml").connect() as client:
        assert ask(client, "any.test", "/", "X-Canary: 1")["name"] == "127.0.0.1:9002"
        went = [[ask(client, "any.test", "/", f"Cookie: session={n}")["name"] for _ in range(2)] for n in range(200)]
    assert all(first == second for first, second in went)
    assert 2 <= Counter(first for first, _ in went)["127.0.0.1:9002"] <= 25


def test_redirects_lead_where_the_example_says(start: STARTED) -> None:
    leads = {
        ("old.example.com", "/a?b=c"): (308, "https://new.example.com/a?b=c"),
        ("www.example.com", "/about.html"): (301, "/about/"),
        ("www.example.com", "/x?y"): (308, "https://www.example.com/x?y"),
    }
    with start("redirects.yaml").connect() as client:
        for (host, path), expected in leads.items():
            answer = client.ask(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")
            assert (answer.status, answer.field("location")) == expected
