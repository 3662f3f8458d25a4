"""`tidegate certificates`: those that take care of themselves: what there is, what is due, what went wrong."""

import json as json_module
import sys
import time
from pathlib import Path
from typing import Any

from cyclopts import App

from tidegate.cli.exits import DONE, INPUT_IS_WRONG, MACHINE_REFUSES
from tidegate.cli.meant import MEANT, Meant

app = App(
    name="certificates",
    help="Certificates that are obtained and renewed by themselves.",
    help_epilogue="They are kept under `certificates` in the state folder; docs/certificates.md tells more.\n\n"
    "Example: tidegate certificates list",
)


@app.command(name="list")
def show(*, meant: Meant = MEANT) -> int:
    """List the certificates: for which name, by whom, until when, and what went wrong.

    Without a running instance, what is kept for CONFIG is listed.

    Example: tidegate certificates list --config tidegate.yaml
    """
    from tidegate.cli.kept import list_kept, store_of

    store = store_of(meant.config, meant.socket)
    if isinstance(store, int):
        return store
    told = list_kept(store)
    if meant.json:
        print(json_module.dumps({"certificates": told}, indent=2))
    else:
        print("\n".join(line for each in told for line in describe(each, time.time())))
    return DONE


@app.command(name="import")
def bring(certificate: Path, key: Path, /, *, meant: Meant = MEANT) -> int:
    """Keep a certificate that you have for the names in it, until it is due to be renewed.

    So that whoever comes from another program need not have all names certified anew at once.

    Example: tidegate certificates import fullchain.pem privkey.pem --config tidegate.yaml

    Parameters
    ----------
    certificate
        A file with its chain (PEM), its own certificate first.
    key
        A file with its key (PEM).
    """
    from tidegate.certificates.read import Unfit, read_certificate
    from tidegate.cli.kept import store_of

    store = store_of(meant.config, meant.socket)
    if isinstance(store, int):
        return store
    try:
        chain, secret = certificate.read_text(), key.read_text()
    except (OSError, UnicodeDecodeError) as error:
        print(f"tidegate: {error}", file=sys.stderr)
        return INPUT_IS_WRONG
    try:
        made = read_certificate(chain, secret, [], time.time(), "import")
        if not made.facts.names:
            raise Unfit("it is for no name")
    except Unfit as error:
        print(f"tidegate: {certificate}: {error}", file=sys.stderr)
        return INPUT_IS_WRONG
    try:
        for name in made.facts.names:
            store.put("auto", name, made)
    except OSError as error:
        print(f"tidegate: {store.folder} cannot be written to: {error.strerror}", file=sys.stderr)
        return MACHINE_REFUSES
    if meant.json:
        print(json_module.dumps({"names": made.facts.names, "not_after": made.facts.not_after}, indent=2))
    else:
        print("\n".join(f"{name}: kept until {_day(made.facts.not_after)}" for name in made.facts.names))
    return DONE


def describe(told: dict[str, Any], now: float) -> list[str]:
    """Tell of a certificate in a line, and of what went wrong in another."""
    if told["not_after"] is None:
        says = "no certificate yet"
    else:
        left = (told["not_after"] - now) / 86_400
        says = f"{told['issuer']}, until {_day(told['not_after'])} ({left:.0f} days)"
        says += f", renewed from {_day(told['renew'])} on" if told["renew"] else ""
    lines = [f"{told['name']} ({told['kind']}): {says}{', under way' if told['under_way'] else ''}"]
    if told["error"]:
        again = f", tried again {_minute(told['again'])}" if told["again"] else ""
        lines.append(f"  failed {told['failures']} times{again}:")
        lines += [f"    {line}" for line in told["error"].splitlines()]
    return lines


def _day(at: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(at))


def _minute(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
