"""h2spec: cases of RFC 9113 and 7541 that a client plays which breaks the rules. A program in Go, built once."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.peers.needs import need

MODULE = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"


@dataclass(frozen=True)
class Verdict:
    """What came of the cases: how many passed, which were left out, which failed and how."""

    passed: int
    skipped: list[str]
    failed: list[str]


def build() -> Path:
    """Build it into the cache of whoever runs the tests; give where it is."""
    go = need("go")
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tidegate-tests"
    program = folder / "h2spec"
    if not program.exists():
        made = folder / f"bin-{os.getpid()}"
        words = [go, "install", MODULE]
        done = subprocess.run(
            words, env={**os.environ, "GOBIN": str(made)}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        (made / "h2spec").rename(program)
        shutil.rmtree(made)
    return program


def play(address: str, report: Path, *sections: str, within_s: float = 100) -> Verdict:
    """Play the cases, of some sections or of all, with its strict ones among them."""
    host, _, port = address.rpartition(":")
    words = [build(), "--strict", "--host", host, "--port", port, "--timeout", "3", "--junit-report", report, *sections]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=within_s, check=False)
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    failed = [name(case) for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = [name(case) for case in cases if case.find("skipped") is not None]
    print(done.stdout[-4000:])
    return Verdict(len(cases) - len(failed) - len(skipped), skipped, failed)


def name(case: ElementTree.Element) -> str:
    """Name a case by its section and what it does."""
    return f"{case.get('package')}: {case.get('classname')}"
