"""The command line: what each command prints, and its exit code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tidegate.cli.main import COMMANDS, LATER, main, make_app
from tidegate.cli.proxy import address_of, build
from tidegate.config.load import Loaded


def call(*words: str) -> int:
    """Run a command and return its exit code."""
    with pytest.raises(SystemExit) as end:
        main(words)
    return int(end.value.code or 0)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text("listeners: {web: {bind: ':8080'}}\n")
    return path


def test_check_says_nothing_about_a_good_file(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("check", str(good)) == 0
    assert capsys.readouterr() == ("", "")


def test_check_prints_every_problem_on_stderr(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good.write_text("thread: 2\nlisteners: {web: {bnd: ':8080'}}\n")
    assert call("check", str(good)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(
        f"{good}:1:1: error: unknown key `thread`\n    1 | thread: 2\n      | ^^^^^^ did you mean `threads`?"
    )
    assert err.count(": error: ") == 2


def test_check_effective_prints_a_configuration(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("check", str(good), "--effective") == 0
    out, err = capsys.readouterr()
    assert err == ""
    good.write_text(out)
    assert call("check", str(good)) == 0
    assert "# the CPUs that affinity and the cgroup allow here" in out


def test_check_timings_tells_each_stage(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("check", str(good), "--timings") == 0
    stages = [line.split(":")[0] for line in capsys.readouterr().err.splitlines()]
    assert stages == ["parse", "validate", "compile", "decode", "swap"]


def test_schema_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("schema") == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Tidegate configuration"


@pytest.mark.parametrize(
    "words", [[], ["check"], ["unknown"], ["check", "--what"], ["proxy"], ["check", "a", "b"]], ids=str
)
def test_wrong_use_is_exit_2(words: list[str]) -> None:
    assert call(*words) == 2


@pytest.mark.parametrize("command", LATER)
def test_a_later_command_says_so(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(command, "--any", "thing") == 2
    assert capsys.readouterr().err == f"tidegate: `{command}` is not built yet\n"


def test_run_without_a_configuration_is_exit_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tidegate.cli.run.DEFAULTS", (Path("tidegate.yaml"),))
    assert call("run") == 2


def test_run_with_a_wrong_configuration_is_exit_1(good: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good.write_text("thread: 2\n")
    assert call("run", str(good)) == 1
    assert "did you mean `threads`?" in capsys.readouterr().err


def test_a_file_that_is_not_there_has_no_line_to_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none.yaml"
    assert call("check", str(path)) == 1
    assert capsys.readouterr().err == f"{path}:1:1: error: cannot be read: No such file or directory\n"


@pytest.mark.parametrize("words", ["schema", "completions zsh", "check --effective {good}"])
def test_a_reader_that_has_seen_enough_is_no_error(words: str, good: Path) -> None:
    command = [sys.executable, "-m", "tidegate", *words.format(good=good).split()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


def test_help_says_nothing_of_an_option_that_is_off(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("check", "--help") == call("demo", "--help") == 0
    shown = capsys.readouterr().out
    assert "--effective" in shown and "False" not in shown
    assert "[default: 127.0.0.1:8080]" in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(command, "--help") == 0
    shown = capsys.readouterr().out
    assert f"Example: tidegate {command}" in shown
    assert COMMANDS[command][1].rstrip(".").split(",")[0] in " ".join(shown.split())


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_know_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("completions", shell) == 0
    shown = capsys.readouterr().out
    assert all(command in shown for command in COMMANDS)


def test_a_command_imports_only_what_it_needs() -> None:
    begin = (
        "import sys, tidegate.supervisor.client; from tidegate.cli.main import make_app; make_app('status')['status']"
    )
    code = f"{begin}; print([name for name in ('pydantic', 'tidegate.config.load', 'asyncio') if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert shown.stdout == "[]\n"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:9001", "127.0.0.1:9001"),
        ("http://127.0.0.1:9001/", "127.0.0.1:9001"),
        ("http://backend", "backend:80"),
        ("http://[::1]", "[::1]:80"),
        ("HTTP://[::1]:81", "[::1]:81"),
        ("127.0.0.1:9001", "127.0.0.1:9001"),
        ("unix:/run/app.sock", "unix:/run/app.sock"),
        ("https://a", None),
        ("http://a/b", None),
        ("http://u@a", None),
        ("http://", None),
    ],
)
def test_a_url_of_proxy_is_an_address(url: str, address: str | None) -> None:
    assert address_of(url) == address


def test_proxy_builds_a_configuration() -> None:
    built = build((":8080",), ("http://127.0.0.1:9001", "http://127.0.0.1:9002"))
    assert isinstance(built, Loaded)
    assert built.config is not None
    assert [str(bind.address) for bind in built.config.listeners["proxy"].bind] == ["[::]:8080"]
    assert len(built.config.upstreams["backends"].endpoints) == 2


@pytest.mark.parametrize(
    ("listen", "to", "says"),
    [
        ("80", "a:1", '`--listen 80` must be an address with a port, as "127.0.0.1:8080" (":80" or "127.0.0.1:80")'),
        (":80", "a", '`--to a` needs a port after `a` ("a:80")'),
        (":80", "https://a", "`--to https://a` must be http://HOST:PORT, without a path"),
    ],
)
def test_proxy_says_which_word_is_wrong(listen: str, to: str, says: str) -> None:
    assert build((listen,), (to,)) == says


def test_the_app_knows_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    make_app()
    assert call("--version") == 0
    assert capsys.readouterr().out.strip()[0].isdigit()


@pytest.mark.parametrize("command", ["reload", "status", "stop"])
def test_an_instance_that_is_not_there_is_exit_3(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))
    assert call(command) == 3
    assert call(command, "--socket", str(tmp_path / "gone.sock")) == 3
    assert capsys.readouterr().err.startswith("tidegate: no instance runs here")
