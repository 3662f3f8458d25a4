"""Writes `tools/locked.txt`: installs what pyproject.toml asks for into an empty environment, and lists all of it."""

import subprocess
import tempfile
import tomllib
import venv
from pathlib import Path

HOUSE = Path(__file__).parent.parent
HEADER = """\
# Every Python package that `make setup` installs, at one version each, so that each machine tests the same.
# Renewed by `make lock`, which takes the newest that pyproject.toml allows.
"""

if __name__ == "__main__":
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["tools"]]
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = f"{folder}/bin/python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        listed = subprocess.run([python, "-m", "pip", "freeze"], check=True, capture_output=True, text=True).stdout
    (HOUSE / "tools" / "locked.txt").write_text(HEADER + listed)
