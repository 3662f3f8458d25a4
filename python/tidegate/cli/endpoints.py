"""`tidegate endpoints`: where traffic goes, changed while it goes, without a reload."""

import json as json_module
import sys
import time
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import App, Parameter

from tidegate.cli.exits import DONE, INPUT_IS_WRONG, USED_WRONGLY
from tidegate.cli.instance import ask
from tidegate.cli.meant import MEANT, Meant

app = App(
    name="endpoints",
    help="Change where traffic goes, live.",
    help_epilogue="What was asked is kept across reloads and restarts, until the file changes the endpoint.\n\n"
    "Example: tidegate endpoints drain api 10.0.0.3:8080 --wait 30",
)


Upstream = Annotated[str, Parameter(help="The upstream's name.")]
Address = Annotated[str, Parameter(help="The endpoint's: `10.0.0.3:8080`, `[::1]:8080` or `unix:/run/app.sock`.")]


@Parameter(name="*")
@dataclass(frozen=True)
class Changing(Meant):
    """The same for a change."""

    dry_run: Annotated[bool, Parameter(negative=())] = False
    """Say what would change, and change nothing."""


@app.command(name="list")
def show(upstream: str | None = None, /, *, meant: Meant = MEANT) -> int:
    """List the endpoints, and what was asked of them.

    Example: tidegate endpoints list api

    Parameters
    ----------
    upstream
        Of this upstream alone.
    """
    answer = ask("upstreams", meant.config, meant.socket)
    if isinstance(answer, int):
        return answer
    told = [each for each in answer["upstreams"] if upstream is None or each["name"] == upstream]
    if upstream is not None and not told:
        print(f"tidegate: there is no upstream `{upstream}`", file=sys.stderr)
        return INPUT_IS_WRONG
    if meant.json:
        print(json_module.dumps({"upstreams": told}, indent=2))
    else:
        print("\n".join(line for each in told for line in _lines(each)))
    return DONE


@app.command
def add(
    upstream: Upstream,
    address: Address,
    /,
    *,
    weight: int | None = None,
    zone: str | None = None,
    label: tuple[str, ...] = (),
    meant: Changing = Changing(),
) -> int:
    """Add an endpoint.

    Example: tidegate endpoints add api 10.0.0.3:8080 --weight 2

    Parameters
    ----------
    weight
        Its share of the work; default: what the file has for it, else 1.
    zone
        Where it is, as in the file.
    label
        What it is told by, as `version=v2`; may be given several times.
    """
    labels = dict(each.split("=", 1) for each in label if "=" in each)
    if len(labels) != len(label):
        print("tidegate: --label must be NAME=VALUE, and each name is given once", file=sys.stderr)
        return USED_WRONGLY
    asked = {"zone": zone, **({"labels": labels} if labels else {})}
    return _change(meant, action="add", upstream=upstream, address=address, weight=weight, **asked)


@app.command
def remove(upstream: Upstream, address: Address, /, *, meant: Changing = Changing()) -> int:
    """Leave an endpoint out; what it has begun it finishes.

    Example: tidegate endpoints remove api 10.0.0.3:8080
    """
    return _change(meant, action="remove", upstream=upstream, address=address)


@app.command
def drain(upstream: Upstream, address: Address, /, *, wait: float = 0, meant: Changing = Changing()) -> int:
    """Give an endpoint no new work.

    Example: tidegate endpoints drain api 10.0.0.3:8080 --wait 30

    Parameters
    ----------
    wait
        Seconds to wait until it has no exchange any more; exit code 1 if it still has one then.
    """
    code = _change(meant, action="drain", upstream=upstream, address=address)
    until = time.monotonic() + wait
    while code == DONE and wait and not meant.dry_run:
        busy = _exchanges(meant, upstream, address)
        if not busy:
            return DONE if busy == 0 else INPUT_IS_WRONG
        if time.monotonic() > until:
            print(f"tidegate: {address} has {busy} exchanges still", file=sys.stderr)
            return INPUT_IS_WRONG
        time.sleep(0.1)
    return code


@app.command
def resume(upstream: Upstream, address: Address, /, *, meant: Changing = Changing()) -> int:
    """Give an endpoint work again.

    Example: tidegate endpoints resume api 10.0.0.3:8080
    """
    return _change(meant, action="resume", upstream=upstream, address=address)


@app.command
def weight(upstream: Upstream, address: Address, weight: int, /, *, meant: Changing = Changing()) -> int:
    """Change an endpoint's share of the work; 0 takes no new work.

    Example: tidegate endpoints weight api 10.0.0.3:8080 5

    Parameters
    ----------
    weight
        0 to 65535, against the weights of the others.
    """
    return _change(meant, action="weight", upstream=upstream, address=address, weight=weight)


@app.command
def reset(upstream: Upstream, address: Address, /, *, meant: Changing = Changing()) -> int:
    """Make an endpoint as the file has it again.

    Example: tidegate endpoints reset api 10.0.0.3:8080
    """
    return _change(meant, action="reset", upstream=upstream, address=address)


def _change(meant: Changing, **asked: Any) -> int:
    answer = ask("endpoints", meant.config, meant.socket, {**asked, "dry_run": meant.dry_run})
    if isinstance(answer, int):
        return answer
    if meant.json:
        print(json_module.dumps({key: value for key, value in answer.items() if key != "ok"}, indent=2))
    else:
        prefix = "" if answer["done"] else "would be done: "
        print(f"{prefix}{answer['address']} of {answer['upstream']} {answer['says']}")
    return DONE


def _exchanges(meant: Meant, upstream: str, address: str) -> int | None:
    answer = ask("upstreams", meant.config, meant.socket)
    if isinstance(answer, int):
        return None
    named = [end for each in answer["upstreams"] if each["name"] == upstream for end in each["endpoints"]]
    busy: int = sum(end["exchanges"] for end in named if end["address"] == address)
    return busy


def _lines(upstream: dict[str, Any]) -> list[str]:
    asked = {each["address"]: each for each in upstream["overrides"]}
    lines = [f"{upstream['name']}: {upstream['balance']}"]
    for end in upstream["endpoints"]:
        notes = [end["asked"], f"checked {end['checked']}"] + (["passed over"] if end["outlier"] == "out" else [])
        notes += [f"weight {end['weight']}", f"{end['exchanges']} exchanges"]
        lines.append(f"  {end['address']}: {', '.join(notes)}{_asked(asked.pop(end['address'], None))}")
    lines += [f"  {address}: removed{_asked(each)}" for address, each in asked.items()]
    return lines


def _asked(override: dict[str, Any] | None) -> str:
    if override is None:
        return ""
    return " (not in the file)" if override["configured"] is None else f" (file: weight {override['configured']})"
