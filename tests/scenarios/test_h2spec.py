"""The cases of h2spec, all of them, strict ones included."""

from pathlib import Path

import pytest

from tests.peers import h2spec
from tests.peers.backend import Backend
from tests.peers.tidegate import Tidegate, upstream


@pytest.mark.needs("go")
@pytest.mark.timeout(300)
def test_every_case_of_h2spec_passes(tidegate: Tidegate, tmp_path: Path) -> None:
    origin = Backend()
    try:
        proxy = tidegate.run(upstream(origin.address, http2="only"))
        verdict = h2spec.play(proxy.address(), tmp_path / "report.xml", within_s=240)
    finally:
        origin.end()
    assert (verdict.failed, verdict.skipped) == ([], [])
    assert verdict.passed >= 145
