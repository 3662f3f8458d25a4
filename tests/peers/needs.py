"""Programs that a test cannot do without: skip with the way to get them; in CI that is a failure."""

import os
import shutil
from importlib.util import find_spec

import pytest

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
MODULES = {"gunicorn", "uvicorn", "websockets", "h11", "prometheus_client"}


def find(program: str) -> str | None:
    """Say where the program is, also where only root looks. A Python module is where its name is."""
    if program in MODULES:
        return program if find_spec(program) else None
    return shutil.which(program, path=PATH)


def need(program: str) -> str:
    """Return the program's path, or end the test."""
    path = find(program)
    if path is None:
        way = "make setup" if program in MODULES else "make deps"
        reason = f"needs {program}: run `{way}`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return path
