"""wrk, for a short load with many connections."""

import re
import subprocess
from dataclasses import dataclass

from tests.peers.needs import need


@dataclass(frozen=True)
class Loaded:
    """What wrk counted."""

    requests: int
    socket_errors: str
    other_statuses: int
    """Answers that were neither 2xx nor 3xx."""

    @property
    def is_clean(self) -> bool:
        """Whether all requests were answered as they should be."""
        return not self.socket_errors and self.other_statuses == 0


def load(url: str, *, connections: int = 50, seconds: int = 2, script: str = "") -> Loaded:
    """Ask over so many connections from one thread; `script` is a path to wrk's own Lua."""
    words = [need("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", *(["-s", script] if script else []), url]
    done = subprocess.run(words, capture_output=True, text=True, timeout=seconds + 30, check=False)
    assert done.returncode == 0, done.stderr
    requests = re.search(r"(\d+) requests in", done.stdout)
    other = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    errors = re.search(r"Socket errors: (.*)", done.stdout)
    assert requests is not None, done.stdout
    return Loaded(int(requests[1]), errors[1] if errors else "", int(other[1]) if other else 0)
