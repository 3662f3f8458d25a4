"""`tidegate check`: would this configuration run?"""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tidegate.cli.exits import DONE, INPUT_IS_WRONG


def check(
    config: Path,
    *,
    effective: Annotated[bool, Parameter(negative=())] = False,
    timings: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Say whether CONFIG would run: exit 0, or 1 with every problem.

    Example: tidegate check tidegate.yaml --effective

    Parameters
    ----------
    config
        The configuration file: YAML, or Python where it ends in .py.
    effective
        Print the configuration with every default written out; included files become part of it.
    timings
        Print on stderr how long each stage took.
    """
    from tidegate.config.load import load

    loaded = load(config)
    sys.stderr.write(loaded.printed)
    for problem in loaded.problems:
        print(problem, file=sys.stderr)
    if timings:
        for stage, took_s in loaded.took_s.items():
            print(f"{stage}: {took_s:.3f} s", file=sys.stderr)
    if loaded.config is None:
        return INPUT_IS_WRONG
    if effective:
        from tidegate.compile import machine
        from tidegate.config.effective import effective as write_out

        connections = f"{machine.connections()} here: (hard file limit - {machine.SPARE_DESCRIPTORS}) / 2"
        defaults = {
            ("threads",): (machine.threads(), "the CPUs that affinity and the cgroup allow here"),
            ("limits", "connections"): ("auto", connections),
        }
        print(write_out(loaded.config, defaults=defaults), end="")
    return DONE
