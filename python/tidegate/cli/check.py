"""`tidegate check`: would this configuration run?"""

import sys
from collections.abc import Mapping
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
        Print on stderr how long each stage took: parse, validate, compile, decode, swap.
    """
    from tidegate.config.load import load

    loaded = load(config)
    print(loaded.printed, end="", file=sys.stderr)
    for problem in loaded.problems:
        print(problem, file=sys.stderr)
    if loaded.config is None:
        tell_timings(loaded.took_s if timings else {})
        return INPUT_IS_WRONG
    from tidegate.compile.offline import compile_offline

    made = compile_offline(loaded.config, loaded.source)
    for says in made.problems:
        print(f"{loaded.source}: error: {says}", file=sys.stderr)
    tell_timings({**loaded.took_s, **made.took_s} if timings else {})
    if made.problems:
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


def tell_timings(took_s: Mapping[str, float]) -> None:
    """Print how long each stage took."""
    for stage, seconds in took_s.items():
        print(f"{stage}: {seconds:.3f} s", file=sys.stderr)
