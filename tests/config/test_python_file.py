"""A configuration that is a Python file: the same as in YAML, from a child that has no rights and is not believed."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers.waiting import until
from tidegate import Loaded, load, load_text
from tidegate.config import python_file
from tidegate.config.effective import effective
from tidegate.config.python_file import STRANGER

Write = Callable[..., Loaded]

PARTS = 'listeners={"web": Listener(bind=":80")}, upstreams={"api": Upstream(endpoints=["127.0.0.1:1"])}'
IMPORTS = "from tidegate import *\n"


@pytest.fixture
def read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file and read it; `modules` are written beside it."""
    monkeypatch.chdir(folder)

    def read(text: str, **modules: str) -> Loaded:
        for name, body in modules.items():
            (folder / f"{name}.py").write_text(body)
        (folder / "gate.py").write_text(text)
        return load("gate.py")

    return read


SAME = {
    "least": ("listeners: {web: {bind: ':80'}}", 'config = Config(listeners={"web": Listener(bind=":80")})'),
    "aliases": (
        "listeners: {web: {bind: [{address: 'unix:a.sock', mode: '0660'}], forwarded: {from: [10.0.0.0/8]}}}",
        'bind = Bind(address="unix:a.sock", mode="0660")\n'
        'config = Config(listeners={"web": Listener(bind=[bind], forwarded=Forwarded(from_=["10.0.0.0/8"]))})',
    ),
    "mappings": (
        "listeners: {web: {bind: ':80', timeouts: {idle: 5s}}}",
        'config = Config(listeners={"web": {"bind": ":80", "timeouts": {"idle": "5s"}}})',
    ),
    "places": (
        "{state: here, admin: {bind: ':9', token: !secret file:token}, sets: {a: {file: set}}}",
        'admin = Admin(bind=":9", token=Secret("file", "token"))\n'
        'config = Config(state="here", admin=admin, sets={"a": NamedSet(file="set")})',
    ),
    "dollar": (
        "{listeners: {web: {bind: ':80'}}, routes: [{respond: {body: '$${HOME}'}}]}",
        'config = Config(listeners={"web": Listener(bind=":80")}, routes=[Route(respond=Respond(body="${HOME}"))])',
    ),
    "routes": (
        "{listeners: {web: {bind: ':80'}}, upstreams: {api: {endpoints: ['127.0.0.1:1']}},"
        " routes: [{match: {host: a.test, path: {exact: /x}}, filters: [{body_limit: 1MiB}], to: api}]}",
        'match = Match(host="a.test", path=PathMatch(exact="/x"))\n'
        f'config = Config({PARTS}, routes=[Route(match=match, filters=[Filter(body_limit="1MiB")], to="api")])',
    ),
}


@pytest.mark.parametrize("case", SAME)
def test_yaml_and_python_make_the_same_configuration(case: str, folder: Path, read: Write) -> None:
    (folder / "set").write_text("10.0.0.0/8\n")
    yaml, python = SAME[case]
    said, made = load_text(yaml, folder=folder), read(IMPORTS + python)
    assert (said.problems, made.problems) == ((), ())
    assert said.config is not None and made.config is not None
    assert effective(made.config) == effective(said.config)
    assert made.config.model_dump() == said.config.model_dump()


WRONG = {
    "an exception": (
        "def port():\n    return 1 / 0\n\nconfig = port()",
        "gate.py:2:12: error: ZeroDivisionError: division by zero\n    2 |     return 1 / 0\n      |            ^^^^^",
    ),
    "one that a library raises": (
        "import json\nconfig = json.loads('{')",
        "gate.py:2:10: error: JSONDecodeError: Expecting property name enclosed in double quotes",
    ),
    "syntax": ("config = (", "gate.py:1:10: error: SyntaxError: '(' was never closed"),
    "no config": ("konfig = 1", "gate.py:1:1: error: this file defines no `config`"),
    "another thing": (
        "a = 1\nconfig = {}",
        "gate.py:2:1: error: `config` must be a `tidegate.Config`, not `dict`\n    2 | config = {}\n      | ^^^^^^",
    ),
    "its own end": ("import sys\nsys.exit(0)", "gate.py:2:1: error: SystemExit: 0"),
    "a quick end": (
        "import os\nos._exit(3)",
        "gate.py:1:1: error: this file ended its interpreter, which exited with 3, before it was read",
    ),
    "a wrong value": (
        IMPORTS + 'r = Route(\n    to="a", priority="high")',
        "gate.py:2:5: error: `priority` must be a whole number, not `high`",
    ),
    "a wrong value far below": (
        IMPORTS + 'config = Config(listeners={"web": {"bind": ["nowhere"]}})',
        "gate.py:2:10: error: `listeners.web.bind[0].address` needs a port after `nowhere`",
    ),
    "an unknown key": (
        IMPORTS + 'config = Config(listeners={"web": {"bind": ":80", "limitz": {}}})',
        "gate.py:2:10: error: listeners.web: unknown key `limitz`\n"
        '    2 | config = Config(listeners={"web": {"bind": ":80", "limitz": {}}})\n'
        "      |          " + "^" * 56 + " did you mean `limits`?",
    ),
    "a name that is not there": (
        IMPORTS + f'config = Config({PARTS}, routes=[Route(to="ap")])',
        "gate.py:2:10: error: routes[0].to: no upstream is named `ap`",
    ),
    "an included file that is none": (
        IMPORTS + 'config = Config(include=["no.yaml"])',
        "gate.py:2:1: error: include[0]: no file is named `no.yaml`",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_with_its_place(case: str, read: Write) -> None:
    text, told = WRONG[case]
    loaded = read(text)
    assert loaded.config is None
    assert str(loaded.problems[0]).startswith(told)


def test_all_problems_are_told_in_one_run(read: Write) -> None:
    loaded = read(IMPORTS + f'config = Config({PARTS}, routes=[Route(to="ap"), Route(priority=1, to="ip")])')
    assert [each.says for each in loaded.problems] == [
        "routes[0].to: no upstream is named `ap`",
        "routes[1].to: no upstream is named `ip`",
    ]


def test_an_exception_in_a_module_has_its_line_there(read: Write) -> None:
    (problem,) = read("import ends\n", ends="\nx = {}['a']\n").problems
    assert str(problem).startswith("ends.py:2:5: error: KeyError: 'a'\n    2 | x = {}['a']\n      |     ^^^^^^^")


def test_modules_beside_it_are_read_anew_and_belong_to_its_files(folder: Path, read: Write) -> None:
    text = f'{IMPORTS}import ends\nconfig = Config(upstreams={{"api": Upstream(endpoints=ends.ENDS)}})'
    for address in ("127.0.0.1:1", "127.0.0.1:2"):
        loaded = read(text, ends=f"ENDS = ['{address}']")
        assert loaded.config is not None
        assert [str(each.address) for each in loaded.config.upstreams["api"].listed] == [address]
        assert loaded.files == (Path("gate.py"), folder / "ends.py")
    assert read("import ends\n1 / 0", ends="").files == (Path("gate.py"), folder / "ends.py")


def test_files_that_it_includes_are_yaml(folder: Path, read: Write) -> None:
    (folder / "more.yaml").write_text("upstreams: {more: {endpoints: ['127.0.0.1:1']}}")
    loaded = read(IMPORTS + 'config = Config(include=["*.yaml"])')
    assert loaded.config is not None and list(loaded.config.upstreams) == ["more"]
    (problem,) = load_text("include: ['*.py']", folder=folder).problems
    assert problem.says == "`*.py` names a Python file"


def test_what_it_prints_does_not_mix_with_the_answer(read: Write) -> None:
    loaded = read(IMPORTS + 'import os\nprint("one")\nos.system("echo two; echo three >&2")\nconfig = Config()\n')
    assert loaded.config is not None
    assert sorted(loaded.printed.split()) == ["one", "three", "two"]


def test_what_it_prints_is_bounded(read: Write) -> None:
    loaded = read(IMPORTS + 'print("x" * 1_000_000)\nconfig = Config()\n')
    assert loaded.config is not None
    assert len(loaded.printed) == python_file.MOST_PRINTED


def test_its_time_is_bounded(read: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_file, "LONGEST_S", 1.0)
    (problem,) = read("while True: pass").problems
    assert problem.says == "this file did not end within 1 s"


def test_its_answer_is_bounded(read: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_file, "MOST_ANSWER", 1_000)
    (problem,) = read(IMPORTS + 'config = Config(routes=[Route(respond=Respond(body="x" * 10_000))])').problems
    assert problem.says.startswith("this file makes a configuration of more than")


def test_what_it_starts_ends_with_it(read: Write) -> None:
    start = 'import subprocess\nprint(subprocess.Popen(["sleep", "60"]).pid)\n'
    loaded = read(f"{IMPORTS}{start}config = Config()\n")
    assert loaded.config is not None
    until(lambda: has_ended(int(loaded.printed)))


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or waits only for its exit status to be read."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_it_has_no_rights(read: Write) -> None:
    status = '[line for line in open("/proc/self/status") if line[:6] in ("Uid:\\t0", "NoNewP", "CapEff")]'
    loaded = read(f"{IMPORTS}print(*{status}, sep='')\nconfig = Config()\n")
    assert loaded.config is not None
    assert loaded.printed.split() == ["CapEff:", "0" * 16, "NoNewPrivs:", "1"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who has rights to give up")
def test_what_the_stranger_may_not_read_is_told_so(folder: Path, read: Write) -> None:
    (folder / "secret").touch(mode=0o600)
    (problem,) = read("open('secret')").problems
    assert problem.hint == f"this file runs as `{STRANGER}`, who must be able to read what it reads"


@pytest.mark.parametrize("text", ['Admin(bind=":9", token="hunter2")', 'Admin(bind=":9", token=\\\n "hunter2", x=1)'])
def test_a_secret_in_plain_is_refused_and_not_shown(text: str, read: Write) -> None:
    loaded = read(f"{IMPORTS}config = Config(admin={text})")
    assert any("is a secret" in each.says for each in loaded.problems)
    assert "hunter2" not in "".join(map(str, loaded.problems))


@pytest.mark.parametrize("answer", ["[]", "{", '{"config": {"routes": 5}, "line": "x"}', '{"problems": [5]}'])
def test_the_child_is_not_believed(answer: str, read: Write) -> None:
    find = "import os, sys\nframe = sys._getframe()\nwhile frame.f_code.co_name != 'main': frame = frame.f_back\n"
    write = f"os.write(frame.f_locals['descriptor'], {answer!r}.encode())\nos._exit(0)\n"
    loaded = read(find + write)
    assert loaded.config is None
    assert loaded.problems
