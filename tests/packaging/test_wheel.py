"""The wheel, as a user gets it: installed into an empty environment, on a machine without Rust."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.peers.nginx import Nginx
from tests.peers.process import Process
from tests.peers.sockets import Client
from tests.peers.tidegate import read_ready

HOUSE = Path(__file__).parents[2]
WALK = "pkgutil.walk_packages(tidegate.__path__, 'tidegate.')"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make dist` builds."""
    folder = tmp_path_factory.mktemp("dist")
    words = [sys.executable, "-m", "maturin", "build", "--release", "--locked", "--quiet", "--out", str(folder)]
    subprocess.run(words, cwd=HOUSE, check=True, capture_output=True)
    [built] = folder.glob("tidegate-*.whl")
    return built


@pytest.mark.timeout(600)
def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    package = HOUSE / "python"
    kinds = ("*.py", "*.pyi", "py.typed", "*.html")
    files = {str(path.relative_to(package)) for kind in kinds for path in package.rglob(kind)}
    assert {name for name in names if name.startswith("tidegate/")} == files | {"tidegate/_engine.abi3.so"}
    assert {name.split("/")[0].split("-")[0] for name in names} == {"tidegate"}
    assert "-cp311-abi3-" in wheel.name


@pytest.mark.timeout(600)
@pytest.mark.needs("nginx")
def test_the_wheel_proxies_without_rust(wheel: Path, nginx: Nginx, tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    venv.create(fresh, with_pip=True)
    path = ":".join(each for each in os.environ["PATH"].split(":") if not (Path(each) / "cargo").exists())
    without_rust = {"PATH": path, "XDG_STATE_HOME": str(tmp_path), "STATE_DIRECTORY": str(tmp_path / "state")}
    locked = ["--constraint", str(HOUSE / "tools" / "locked.txt")]
    install = [str(fresh / "bin" / "python"), "-m", "pip", "install", "--quiet", *locked, str(wheel)]
    subprocess.run(install, env={**os.environ, **without_rust}, check=True)
    imports = f"import pkgutil, tidegate; [__import__(each.name) for each in {WALK} if '__main__' not in each.name]"
    subprocess.run([str(fresh / "bin" / "python"), "-c", imports], env=without_rust, check=True)
    words = ["proxy", "--listen", "127.0.0.1:0", "--to", f"http://{nginx.start().address}"]
    command = [str(fresh / "bin" / "tidegate"), *words, "--socket", str(tmp_path / "control.sock")]
    with Process(command, environment=without_rust) as process:
        addresses = read_ready(process.wait_for_line(r"\bready\b"))
        with Client(addresses["proxy"]) as client:
            assert client.ask("GET / HTTP/1.1\r\nHost: test\r\n\r\n").body == b"origin-1\n"
        stop = [str(fresh / "bin" / "tidegate"), "stop", "--socket", str(tmp_path / "control.sock")]
        subprocess.run(stop, env=without_rust, check=True, timeout=60)
        assert process.wait() == 0
