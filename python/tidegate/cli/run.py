"""`tidegate run`: the program itself, in the foreground."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tidegate.cli.exits import INPUT_IS_WRONG, USED_WRONGLY

DEFAULTS = (Path("tidegate.yaml"), Path("/etc/tidegate/tidegate.yaml"))
"""Where a configuration is looked for when none is named."""


def run(
    config: Path | None = None,
    *,
    watch: Annotated[bool, Parameter(negative=())] = False,
    socket: Path | None = None,
) -> int:
    """Run in the foreground.

    SIGHUP reloads, SIGUSR1 reopens logs, SIGUSR2 upgrades to the program now on disk, SIGTERM drains and ends (a second
    one ends at once), SIGINT the same with 2 s.

    Example: tidegate run tidegate.yaml

    Parameters
    ----------
    config
        The configuration file, YAML or Python (.py); default: tidegate.yaml, else /etc/tidegate/tidegate.yaml.
    watch
        Reload when one of the configuration's files changes.
    socket
        Where the control socket shall be, for `reload`, `status` and `stop`.
    """
    path = config or next((each for each in DEFAULTS if each.exists()), None)
    if path is None:
        print(f"tidegate: no configuration: neither {' nor '.join(map(str, DEFAULTS))} exists", file=sys.stderr)
        return USED_WRONGLY
    from tidegate.config.load import load

    loaded = load(path)
    print(loaded.printed, end="", file=sys.stderr)
    if loaded.config is None:
        for problem in loaded.problems:
            print(problem, file=sys.stderr)
        return INPUT_IS_WRONG
    from tidegate.supervisor import run as supervise

    return supervise(loaded, watch=watch, socket=socket)
