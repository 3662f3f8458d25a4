"""`tidegate certificates` and `tidegate trust`, on the store of an instance that does not run."""

import json
import stat
import time
from pathlib import Path

import pytest

from tests.cli.test_commands import call
from tests.peers.tidegate import Tidegate
from tidegate.certificates.authority import Authority
from tidegate.certificates.keys import make_key, write_key
from tidegate.certificates.store import Certificate, Store
from tidegate.cli import trust
from tidegate.cli.trust import Place


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of an instance that keeps its state beside it."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    path = tmp_path / "tidegate.yaml"
    path.write_text(f"state: {tmp_path}/state\nlisteners: {{web: {{bind: ':8080'}}}}\n")
    return path


@pytest.fixture
def made(tmp_path: Path) -> Certificate:
    """A certificate that an operator has, in two files."""
    made = Authority.make(time.time()).issue(["www.example.com", "*.example.com"], time.time())
    (tmp_path / "chain.pem").write_text(made.chain)
    (tmp_path / "key.pem").write_text(made.key)
    return made


def test_what_is_imported_is_listed_under_each_name(
    tmp_path: Path, config: Path, made: Certificate, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(tmp_path / "chain.pem"), str(tmp_path / "key.pem")]
    assert call("certificates", "import", *files, "--config", str(config)) == 0
    until = time.strftime("%Y-%m-%d", time.gmtime(made.facts.not_after))
    assert capsys.readouterr().out == f"www.example.com: kept until {until}\n*.example.com: kept until {until}\n"
    assert call("certificates", "list", "--config", str(config)) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed[0] == f"*.example.com (auto): {made.facts.issuer}, until {until} (7 days)"
    assert listed[1].startswith("www.example.com (auto): ")
    kept = Store(tmp_path / "state").get("auto", "www.example.com")
    assert kept is not None
    assert (kept.chain, kept.key, kept.facts.via) == (made.chain, made.key, "import")
    file = tmp_path / "state/certificates/auto/www.example.com.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_broken_file_is_listed_as_such(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store(tmp_path / "state").write(tmp_path / "state/certificates/auto/a.test.pem", "nonsense")
    assert call("certificates", "list", "--config", str(config), "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)["certificates"]
    assert (told["name"], told["not_after"], told["error"]) == ("a.test", None, "its file cannot be read")


def test_what_would_not_serve_is_not_imported(
    tmp_path: Path, config: Path, made: Certificate, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.pem").write_text(write_key(make_key()))
    for files, says in (
        (["chain.pem", "other.pem"], "its key is not the key that it was made for"),
        (["chain.pem", "none.pem"], "No such file"),
        (["key.pem", "key.pem"], "it holds no certificate"),
    ):
        words = [str(tmp_path / file) for file in files]
        assert call("certificates", "import", *words, "--config", str(config)) == 1
        assert says in capsys.readouterr().err
    assert not (tmp_path / "state/certificates").exists()


def test_without_an_instance_and_a_configuration_there_is_nothing_to_look_at(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("certificates", "list") == 3
    assert "name its configuration with --config" in capsys.readouterr().err
    config.write_text("thread: 2\n")
    assert call("certificates", "list", "--config", str(config)) == 1
    assert "did you mean `threads`?" in capsys.readouterr().err


def test_a_running_instance_says_where_it_keeps_them(tidegate: Tidegate, tmp_path: Path, made: Certificate) -> None:
    proxy = tidegate.run("listeners: {web: {bind: '127.0.0.1:0'}}\n", environment={"XDG_STATE_HOME": str(tmp_path)})
    state = Path(proxy.status()["state"])
    done = proxy.call("certificates", "import", str(tmp_path / "chain.pem"), str(tmp_path / "key.pem"))
    assert done.returncode == 0, done.stderr
    assert Store(state).get("auto", "www.example.com") is not None


def test_a_machine_is_told_of_the_authority_and_forgets_it(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "anchors"
    place.mkdir()
    monkeypatch.setattr(trust, "PLACES", (Place(tmp_path / "none", ("true",)), Place(place, ("true",))))
    assert call("trust", str(config), "--print") == 0
    root = capsys.readouterr().out
    assert root == Authority.of(Store(tmp_path / "state"), time.time()).root_pem
    assert list(place.iterdir()) == []
    assert call("trust", str(config)) == 0
    (file,) = place.iterdir()
    assert file.read_text() == root
    assert call("trust", str(config), "--remove") == 0
    assert call("trust", str(config), "--remove") == 0
    assert list(place.iterdir()) == []


def test_a_machine_that_cannot_be_told_is_exit_4(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trust, "PLACES", ())
    assert call("trust", str(config)) == 4
    monkeypatch.setattr(trust, "PLACES", (Place(tmp_path, ("false",)),))
    assert call("trust", str(config)) == 4
    assert "false ended with 1" in capsys.readouterr().err
