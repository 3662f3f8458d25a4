"""`tidegate explain`: the sentences that it prints, and how it ends."""

import json
from pathlib import Path
from typing import Any

import pytest

from tidegate.cli.main import main
from tidegate.compile.persist import make_token

CONFIG = """\
listeners:
  web: {bind: "127.0.0.1:8080"}
  other: {bind: ":9090", forwarded: {from: ["127.0.0.1"]}}
upstreams: {api: {endpoints: ["127.0.0.1:9001", "backend.internal:80"]}, one: {endpoints: ["backend.internal:80"]}}
routes:
  - {name: all, to: api}
  - {name: wild, match: {host: "*.example.com"}, to: api}
  - {name: api, match: {host: api.example.com}, to: api}
  - {name: v1, match: {host: api.example.com, path: /v1/}, to: api, filters: [{rewrite: {strip_prefix: /v1}}]}
  - {name: get, match: {host: api.example.com, path: /v1/, methods: [GET, HEAD]}, to: api}
  - {name: beta, match: {host: api.example.com, path: /v1/, headers: {x-beta: "1"}}, to: api}
  - {name: page, match: {host: api.example.com, path: /v1/, query: {page: "2"}}, to: api}
  - {name: near, match: {host: api.example.com, path: /v1/, from: ["10.0.0.0/8"]}, to: api}
  - {name: when, match: {host: api.example.com, path: /v1/, when: 'request.cookies["s"] == "1"'}, to: api}
  - {name: exact, match: {host: api.example.com, path: {exact: /v1/x}, methods: [PUT]}, to: one}
  - {name: low, match: {host: low.test}, priority: -1, to: api}
  - {name: high, match: {host: low.test}, priority: 1, to: api}
  - {name: there, listeners: [other], match: {host: there.test}, to: one}
  - {name: slow, match: {host: slow.test}, to: one, filters: [{buffer_request: {size: 1MiB}}]}
"""
URL = "http://api.example.com:8080/v1/x"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The configuration above, in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(CONFIG)
    return "c.yaml"


def call(*words: str) -> int:
    """Run the command; its exit code."""
    with pytest.raises(SystemExit) as ended:
        main(["explain", *words])
    return int(ended.value.code or 0)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """What it says as JSON."""
    assert call("c.yaml", "--json", "--", *words) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "chosen", "loser", "because"),
    [
        (["GET", URL], "get", "v1", "the chosen one names methods, it does not"),
        (["GET", URL], "get", "api", "it holds for every path, the chosen one for path prefix `/v1/`"),
        (["GET", URL], "get", "wild", "host `*.example.com` is less specific than `api.example.com`"),
        (["GET", URL], "get", "all", "it holds for every host, the chosen one for `api.example.com`"),
        (["GET", URL], "get", "exact", "methods are PUT, not GET"),
        (["PUT", URL], "exact", "get", "methods are GET, HEAD, not PUT"),
        (["PUT", URL], "exact", "v1", "path prefix `/v1/` is less specific than exact path `/v1/x`"),
        (["GET", URL, "-H", "X-Beta: 0"], "get", "beta", "header x-beta is `0`, not `1`"),
        (["GET", URL], "get", "beta", "header x-beta is missing or empty, not `1`"),
        (["GET", f"{URL}?page=%33"], "get", "page", "query term page is `3`, not `2`"),
        (["GET", URL, "--from", "192.0.2.1"], "get", "near", "the client 192.0.2.1 is not in 10.0.0.0/8"),
        (["GET", URL], "get", "when", "its `when` is false for this request"),
        (["POST", URL, "-H", "x-beta: 1"], "beta", "v1", "the chosen one asks for 1 header, it for 0"),
        (["POST", f"{URL}?page=2"], "page", "v1", "the chosen one asks for 1 query term, it for 0"),
        (["POST", URL, "--from", "10.0.0.1"], "near", "v1", "the chosen one has `from`, it has not"),
        (["POST", URL, "-H", "cookie: s=1"], "when", "v1", "the chosen one has `when`, it has not"),
        (["GET", "http://low.test:8080/"], "high", "low", "its priority is -1, that of the chosen one 1"),
        (["GET", "http://low.test:8080/"], "high", "api", "host is `api.example.com`, not `low.test`"),
        (["GET", "http://low.test:8080/"], "high", "there", "it is not on this listener"),
        (["GET", "http://api.example.com:8080/v2"], "api", "v1", "path prefix `/v1/` does not match `/v2`"),
        (["GET", "http://api.example.com:9090/v1/", "-H", "x-forwarded-for: 10.9.9.9"], "get", "near", "names methods"),
        (["POST", "http://api.example.com:9090/v1/", "-H", "x-forwarded-for: 10.9.9.9"], "near", "v1", "has `from`"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_each_reason_is_a_sentence(
    config: str, capsys: pytest.CaptureFixture[str], words: list[str], chosen: str, loser: str, because: str
) -> None:
    answer = told(capsys, *words)
    assert answer["route"]["name"] == chosen
    (lost,) = [other for other in answer["others"] if other["name"] == loser]
    assert because in lost["because"]
    assert lost["place"].startswith("c.yaml:")
    assert len(answer["others"]) == CONFIG.count("- {name:") - 1


def test_the_text_tells_the_whole_road(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(config, "POST", URL, "-H", "Accept: */*", "--from", "10.0.0.7") == 0
    text = capsys.readouterr().out
    for line in (
        f"POST {URL} from 10.0.0.7",
        "listener  web (c.yaml:2:3): it has the port 8080",
        "client    10.0.0.7",
        "path      /v1/x (as it is matched)",
        "route     near (c.yaml:13:5)",
        "timeouts  response 1m, idle 1m",
        "upstream  api (c.yaml:4:13)",
        "endpoint  127.0.0.1:9001 (c.yaml:4:31): it is its turn",
        "among     127.0.0.1:9001 (c.yaml:4:31): weight 1, eligible (asked ready, checked unknown, outlier in)",
        "          backend.internal:80 (c.yaml:4:49): weight 1, eligible (asked ready, checked unknown, outlier in)",
        "sends     POST /v1/x HTTP/1.1",
        "          x-forwarded-port: 8080",
        "  beta (c.yaml:11:5): header x-beta is missing or empty, not `1`",
        "  4 routes are for other hosts or listeners; --all shows them",
    ):
        assert f"{line}\n" in text


def test_names_are_not_looked_up(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(config, "--", "PUT", URL) == 0
    says = "no other endpoint is eligible; it is a name, and names are not looked up here"
    assert f"endpoint  backend.internal:80 (c.yaml:4:92): {says}\n" in capsys.readouterr().out


WHOLE = {
    "c.yaml": """\
listeners: {web: {bind: ":8080"}}
upstreams:
  api:
    endpoints: ["127.0.0.1:1", {address: "127.0.0.1:2", weight: 0}]
  canary: {endpoints: ["127.0.0.1:3"]}
routes:
  - name: api
    timeouts: {idle: 5s}
    filters:
      - response_headers: {remove: [server]}
      - body_limit: 1MiB
    to: [{upstream: api, weight: 1}, {upstream: canary, weight: 0}]
""",
    "c.py": """\
from tidegate import *
api = Upstream(endpoints=["127.0.0.1:1", Endpoint(address="127.0.0.1:2", weight=0)])
edits, limit = Filter(response_headers={"remove": ["server"]}), Filter(body_limit="1MiB")
shares = [Share(upstream="api", weight=1), Share(upstream="canary", weight=0)]
config = Config(
    listeners={"web": Listener(bind=":8080")},
    upstreams={"api": api, "canary": Upstream(endpoints=["127.0.0.1:3"])},
    routes=[Route(name="api", timeouts={"idle": "5s"}, filters=[edits, limit], to=shares)],
)
""",
}
SPOTS = {
    "c.yaml": ["1:13", "7:5", "8:5", "11:9", "10:9", "3:3", "4:17", "4:32"],
    "c.py": [
        "5:1 listeners.web",
        "5:1 routes[0]",
        "5:1 routes[0].timeouts",
        "5:1 routes[0].filters[1]",
        "5:1 routes[0].filters[0]",
        "5:1 upstreams.api",
        "5:1 upstreams.api.endpoints[0]",
        "5:1 upstreams.api.endpoints[1]",
    ],
}


@pytest.mark.parametrize("name", WHOLE)
def test_everything_on_the_road_has_its_place(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    Path(name).write_text(WHOLE[name])
    assert call(name, "--json", "--", "GET", "http://a.test/") == 0
    answer = json.loads(capsys.readouterr().out)
    route, balance = answer["route"], answer["balance"]
    assert [each["name"] for each in route["filters"]] == ["body_limit", "response_headers"]
    parts = [answer["listener"], route, route["timeouts"], *route["filters"], balance, *balance["considered"]]
    assert [part["place"] for part in parts] == [f"{name}:{spot}" for spot in SPOTS[name]]
    assert answer["endpoint"]["place"] == balance["considered"][0]["place"]
    assert (balance["upstream"], balance["because"]) == ("api", "no other endpoint is eligible")
    assert route["split"] == [{"upstream": "api", "weight": 1}, {"upstream": "canary", "weight": 0}]
    assert [(each["weight"], each["eligible"], each["asked"]) for each in balance["considered"]] == [
        (1, True, "ready"),
        (0, False, "ready"),
    ]


def test_an_upstream_that_can_take_nothing_tells_of_each_endpoint(
    config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    many = ", ".join(f'{{address: "127.0.0.1:{port}", weight: 0}}' for port in range(1, 13))
    Path(config).write_text(
        f'listeners: {{web: {{bind: ":80"}}}}\nupstreams: {{api: {{endpoints: [{many}]}}}}\nroutes: [{{to: api}}]\n'
    )
    assert call(config, "--", "GET", "http://a.test/") == 0
    text = capsys.readouterr().out
    assert "endpoint  none: every endpoint is drained, down, or has weight 0\n" in text
    assert "among     127.0.0.1:1 (c.yaml:2:31): weight 0, not eligible (asked ready, checked unknown" in text
    assert "          and 2 more; --all shows them\n" in text
    assert call(config, "--all", "--", "GET", "http://a.test/") == 0
    assert "127.0.0.1:12 (" in capsys.readouterr().out


def test_zones_and_labels_are_told(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(config).write_text(
        """\
zone: eu/a
listeners: {web: {bind: ":80"}}
upstreams:
  api:
    zones: {}
    endpoints:
      - {address: "127.0.0.1:1", zone: eu/b, labels: {version: v2}}
      - {address: "127.0.0.1:2", labels: {version: v2}}
      - {address: "127.0.0.1:3", zone: eu/a, weight: 0, labels: {version: v1}}
routes:
  - match: {path: /new}
    to: [{upstream: api, labels: {version: v2}}, {upstream: api, labels: {version: v1}, weight: 0}]
  - {match: {path: /old}, to: {upstream: api, labels: {version: v1}, fallback: any}}
"""
    )
    assert call(config, "--", "GET", "http://a.test/new") == 0
    text = capsys.readouterr().out
    for line in (
        "upstream  api (c.yaml:4:3), one of api (version=v2) 1, api (version=v1) 0",
        "labels    version=v2",
        "endpoint  127.0.0.1:1 (c.yaml:7:9): no other endpoint is eligible",
        "among     127.0.0.1:1 (c.yaml:7:9): weight 1, zone eu/b, eligible (asked ready, checked unknown, outlier in)",
        "          127.0.0.1:2 (c.yaml:8:9): weight 1, eligible (asked ready, checked unknown, outlier in)",
    ):
        assert f"{line}\n" in text
    assert "127.0.0.1:3" not in text
    assert call(config, "--", "GET", "http://a.test/old") == 0
    assert "labels    version=v1, and of those none can: its fallback\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "status", "kind"),
    [
        (["GET", "http://api.example.com:8080/v1/../x"], 400, "ambiguous_path"),
        (["GET", "http://a:b:8080/"], 400, "invalid_host"),
        (["TRACE", URL], 405, "method_refused"),
        (["GET", URL, "-H", "Transfer-Encoding: gzip"], 400, "ambiguous_framing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_would_be_refused_is_refused(
    config: str, capsys: pytest.CaptureFixture[str], words: list[str], status: int, kind: str
) -> None:
    answer = told(capsys, *words)
    assert (answer["route"], answer["answer"]["status"], answer["answer"]["failure"][0]) == (None, status, kind)
    assert answer["others"] == []


def test_a_body_that_is_waited_for_is_told(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(config, "--", "POST", "http://slow.test:8080/", "-H", "Content-Length: 5") == 0
    assert "waits     for the request's body, before an endpoint is asked\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["GET"],
        ["G T", URL],
        ["GET", "ftp://x/"],
        ["GET", f"{URL} x"],
        ["GET", URL, "-H", "nothing"],
        ["GET", URL, "-H", "a: b\r\nc: d"],
        ["GET", URL, "--from", "ten"],
        ["GET", URL, "--listener", "wbe"],
        ["GET", "/path/alone"],
        ["GET", URL, "more"],
    ],
    ids=str,
)
def test_words_that_make_no_request_are_exit_2(
    config: str, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert call(config, "--", *words) == 2
    assert capsys.readouterr().err.startswith("tidegate: ")


def test_a_wrong_configuration_is_exit_1(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(config).write_text("route: []\n")
    assert call(config, "--", "GET", URL) == 1
    assert "c.yaml:1:1: error: unknown key `route`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["GET"], "at most 3 tries, on connect, reset, timeout, 503, each within 2s; with a body of at most 64KiB"),
        (["POST"], "each within 2s; of this one only what left no byte, since it may have an effect"),
        (["POST", "-H", "Idempotency-Key: 1"], "each within 2s; with a body of at most 64KiB"),
    ],
    ids=["GET", "POST", "POST with a key"],
)
def test_when_a_request_is_tried_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    retry = "{on: [reset, timeout, 503], per_try: 2s}"
    Path("c.yaml").write_text(CONFIG.replace("{name: all, to: api}", f"{{name: all, retry: {retry}, to: api}}"))
    method, *fields = words
    assert call("c.yaml", "--", method, "http://a.test:8080/", *fields) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("retry"))
    assert says in line
    assert line.endswith("(c.yaml:6:17)")


def test_where_copies_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    mirrored = CONFIG.replace("{name: all, to: api}", "{name: all, mirror: {to: shadow, share: 5%}, to: api}")
    Path("c.yaml").write_text(mirrored.replace("upstreams: {", "upstreams: {shadow: {endpoints: ['127.0.0.1:9009']}, "))
    assert call("c.yaml", "--", "GET", "http://a.test:8080/") == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("mirror"))
    assert "5% of the requests, to shadow (c.yaml:6:" in line


@pytest.mark.parametrize(
    ("method", "says"),
    [("GET", ", a second one beside the first after p95;"), ("PUT", "; with a body of at most 64KiB")],
)
def test_when_a_second_endpoint_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], method: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    retry = "{hedge: {after: p95}}"
    Path("c.yaml").write_text(CONFIG.replace("{name: all, to: api}", f"{{name: all, retry: {retry}, to: api}}"))
    assert call("c.yaml", "--", method, "http://a.test:8080/") == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("retry"))
    assert f"at most 3 tries, on connect, reset{says}" in line


def test_a_provider_stands_for_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "listeners: {web: {bind: ':80'}}\nroutes: [{to: api}]\n"
        "upstreams: {api: {endpoints: [{srv: _http._tcp.api.test}]}}\n"
    )
    with pytest.raises(SystemExit):
        main(["explain", str(file), "--", "GET", "http://a/"])
    assert f"srv:_http._tcp.api.test ({file}:3:31)" in capsys.readouterr().out


def test_an_endpoint_that_the_session_names_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    persist = "persist: {cookie: {name: srv, secret: !secret file:key}}"
    kept = f'kept: {{{persist}, endpoints: ["127.0.0.1:9001", "127.0.0.1:9002"]}}'
    text = CONFIG.replace("{name: all, to: api}", "{name: all, to: kept}")
    Path("c.yaml").write_text(text.replace("upstreams: {", f"upstreams: {{{kept}, "))
    words = ["--", "GET", "http://a.test:8080/"]
    assert call("c.yaml", *words) == 0
    assert "sessions  are not known: the secret in " in capsys.readouterr().out
    Path("key").write_text("0123456789abcdef")
    for address in ("127.0.0.1:9001", "127.0.0.1:9002"):
        token = make_token(b"0123456789abcdef", "kept", address)
        assert call("c.yaml", *words, "-H", f"Cookie: srv={token}") == 0
        told = capsys.readouterr().out
        assert f"endpoint  {address} (c.yaml:4:" in told
        assert "): the request names it, by the cookie or header of its session\n" in told
        assert "sessions" not in told.replace("session\n", "")
