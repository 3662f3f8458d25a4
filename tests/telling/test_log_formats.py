"""What a line of the access log looks like, as the configuration wants it, and that no client shapes it."""

import json
import re
import threading
from pathlib import Path

from tests.peers.sockets import closed_port
from tests.peers.tidegate import Tidegate
from tests.peers.waiting import until
from tests.telling.asking import Backends, ask, ask_many, lines, logged

COMBINED = re.compile(
    r'(?P<client>\S+) - - \[(?P<time>\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000)\] "(?P<request>[^"]*)"'
    r' (?P<status>\d{3}) (?P<bytes>\d+) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)"'
)


def test_a_line_has_the_fields_that_are_named_in_their_order(
    tidegate: Tidegate, backend: Backends, tmp_path: Path
) -> None:
    path = tmp_path / "access.log"
    running = tidegate.run(logged(backend().address, path, fields=["status", "path", "failure", "peer"]))
    assert ask(running, "/a") == 200
    until(lambda: lines(path))
    assert path.read_text() == '{"status":200,"path":"/a","peer":"127.0.0.1"}\n'


def test_the_combined_format_is_what_other_programs_read(tidegate: Tidegate, backend: Backends, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    running = tidegate.run(logged(backend().address, path, format="combined"))
    forged = 'x" 200 1 "-" "y\x80\t\\'
    assert ask(running, "/a?b", f"User-Agent: {forged}") == 200
    until(path.read_bytes)
    (line,) = path.read_text().splitlines()
    found = COMBINED.fullmatch(line)
    assert found, line
    assert (found["client"], found["request"], found["status"]) == ("127.0.0.1", "GET /a?b HTTP/1.1", "200")
    assert (found["referer"], found["agent"]) == ("-", r"x\x22 200 1 \x22-\x22 \x22y\xc2\x80\x09\x5c")


def test_a_format_string_has_braces_of_its_own(tidegate: Tidegate, backend: Backends, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    running = tidegate.run(logged(backend().address, path, format="{{{status}}} {route} {failure}"))
    assert ask(running, "/") == 200
    until(path.read_bytes)
    assert path.read_text() == "{200} all -\n"


def test_words_of_the_request_and_its_answer_stand_in_both_forms(
    tidegate: Tidegate, backend: Backends, tmp_path: Path
) -> None:
    path = tmp_path / "access.log"
    fields = ["status", {"beta": 'request.headers["x-beta"]'}, {"none": 'request.headers["x-none"]'}]
    config = logged(backend().address, path, fields=fields)
    running = tidegate.run(config)
    assert ask(running, "/a/%22?q=1", 'X-Beta: a"b') == 200
    until(lambda: lines(path))
    assert path.read_text() == '{"status":200,"beta":"a\\"b"}\n'
    form = '"{request.headers["x-beta"]}" {request.path} {request.query["q"].lower()} {request.headers["x-none"]}'
    running.reload({**config, "access_log": {"to": str(path), "format": form}})
    assert ask(running, "/a/%22?q=A", 'X-Beta: a"b') == 200
    until(lambda: path.read_bytes().count(b"\n") == 2)
    assert path.read_text().splitlines()[1] == r'"a\x22b" /a/\x22 a -'


def test_only_those_are_told_for_which_the_condition_holds(
    tidegate: Tidegate, backend: Backends, tmp_path: Path
) -> None:
    path = tmp_path / "access.log"
    config = logged(backend().address, path, when='response.status >= 400 or request.path.startswith("/told")')
    config["upstreams"]["gone"] = {"endpoints": [closed_port()]}
    config["routes"].append({"name": "gone", "match": {"path": "/gone"}, "to": "gone"})
    running = tidegate.run(config)
    for asked in ("/a", "/told/1", "/gone", "/b", "/told/2"):
        ask(running, asked)
    until(lambda: len(lines(path)) == 3)
    assert [line["path"] for line in lines(path)] == ["/told/1", "/gone", "/told/2"]
    when = 'failure == "connect_refused" and client.ip in ["127.0.0.0/8"] and response.duration < 60'
    running.reload({**config, "access_log": {"to": str(path), "when": when, "sample": 0}})
    for asked in ("/told/3", "/gone"):
        ask(running, asked)
    until(lambda: len(lines(path)) == 4)
    assert lines(path)[-1]["path"] == "/gone"


def test_of_a_share_every_failure_is_told(tidegate: Tidegate, backend: Backends, tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    config = logged(backend().address, path, sample=0)
    config["upstreams"]["gone"] = {"endpoints": [closed_port()]}
    config["routes"].append({"name": "gone", "match": {"path": "/gone"}, "to": "gone"})
    running = tidegate.run(config)
    ask_many(running, 0, 50)
    assert ask(running, "/gone") == 502
    until(lambda: lines(path))
    assert [line["path"] for line in lines(path)] == ["/gone"]
    running.reload({**config, "access_log": {"to": str(path), "sample": 0.5}})
    ask_many(running, 0, 200)
    assert ask(running, "/gone") == 502
    until(lambda: [line["path"] for line in lines(path)][-1] == "/gone" and len(lines(path)) > 2)
    told = len(lines(path)) - 2
    assert 50 < told < 150  # 100 are expected, and 7 are the standard deviation


def test_a_reload_changes_where_and_how_and_no_line_is_lost(
    tidegate: Tidegate, backend: Backends, tmp_path: Path
) -> None:
    as_json, as_words = tmp_path / "json.log", tmp_path / "words.log"
    ways = [{"to": str(as_words), "format": "{path}"}, {"to": str(as_json)}]
    config = {**logged(backend().address, as_json), "threads": 2}
    running = tidegate.run(config)
    over, asked = threading.Event(), [0]

    def ask_on() -> None:
        while not over.is_set():
            ask_many(running, asked[0], asked[0] + 10)
            asked[0] += 10

    asking = threading.Thread(target=ask_on)
    asking.start()
    try:
        for round_ in range(6):
            running.reload({**config, "access_log": ways[round_ % 2]})
    finally:
        over.set()
        asking.join()

    def seen() -> list[str]:
        words = as_words.read_text().splitlines()
        return sorted([line["path"] for line in lines(as_json)] + words, key=lambda path: int(path[1:]))

    until(lambda: len(seen()) >= asked[0])
    assert seen() == [f"/{number}" for number in range(asked[0])]
    assert all(line.startswith("/") for line in as_words.read_text().splitlines())
    assert all(json.loads(line) for line in as_json.read_text().splitlines())
