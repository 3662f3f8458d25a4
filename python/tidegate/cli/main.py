"""The `tidegate` command: the list of its commands, and how each of them ends."""

import os
import sys
from collections.abc import Sequence

from cyclopts import App, Parameter

from tidegate import __version__
from tidegate.cli.exits import DONE, USED_WRONGLY

COMMANDS = {
    "run": ("tidegate.cli.run:run", "Run in the foreground."),
    "proxy": ("tidegate.cli.proxy:proxy", "Run without a file: where to listen, and where to send."),
    "check": ("tidegate.cli.check:check", "Say whether CONFIG would run, and every problem of it."),
    "explain": ("tidegate.cli.explain:explain", "Say where a request would go under CONFIG, and why."),
    "reload": ("tidegate.cli.instance:reload", "Make the running instance read its configuration anew."),
    "upgrade": ("tidegate.cli.upgrade:upgrade", "Have the program that is now on disk take over."),
    "status": ("tidegate.cli.instance:status", "Show what the running instance does."),
    "stop": ("tidegate.cli.instance:stop", "Drain the running instance, then end it."),
    "endpoints": ("tidegate.cli.endpoints:app", "Change where traffic goes, live."),
    "certificates": ("tidegate.cli.certificates:app", "Certificates that are obtained and renewed by themselves."),
    "trust": ("tidegate.cli.trust:trust", "Make this machine believe the instance's own authority."),
    "rollout": ("tidegate.cli.rollout:app", "Lead a route to another upstream step by step."),
    "demo": ("tidegate.cli.demo:demo", "Start three small backends behind tidegate, and say what to try."),
    "schema": ("tidegate.cli.schema:schema", "Print the JSON Schema of the configuration."),
    "completions": ("tidegate.cli.completions:completions", "Print completions for bash, zsh or fish."),
}
"""Each command, in the order of `--help`: where it is, and what it does in a line, as its docstring begins."""

LATER = ("cache", "test")
"""Commands that have a name, and are not built yet."""

SERVING = ("run", "proxy", "demo")
"""Commands that go on; all others print something, and end."""


def make_app(called: str | None = None) -> App:
    """Make the command with all its commands. Only the one that is called is imported, and tells its whole help."""
    app = App(
        name="tidegate",
        help="A reverse proxy and load balancer. `tidegate COMMAND --help` tells more, with an example.",
        version=__version__,
        help_format="plaintext",
        version_format="plaintext",
        default_parameter=Parameter(show_default=tell_default),
    )
    for order, (name, (where, says)) in enumerate(COMMANDS.items()):
        app.command(where, name=name, sort_key=order, help=None if name == called else says)
    return app


def tell_default(value: object) -> str | None:
    """What the help says of a default: nothing of an option that is off until it is given."""
    return None if value is False else str(value)


def main(words: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code: 0 done, 1 the input is wrong, 2 used wrongly, 3 not reached, 4 refused."""
    given = list(sys.argv[1:] if words is None else words)
    if not given:
        make_app().help_print()
        sys.exit(USED_WRONGLY)
    if given[0] in LATER:
        print(f"tidegate: `{given[0]}` is not built yet", file=sys.stderr)
        sys.exit(USED_WRONGLY)
    try:
        try:
            make_app(given[0])(given)
        finally:
            if sys.stdout is not None:  # whoever started us may have closed it
                sys.stdout.flush()
    except BrokenPipeError:
        if given[0] in SERVING:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush when Python ends
        sys.exit(DONE)  # as `tidegate schema | head` has it: whoever read has seen enough
