"""`tidegate rollout`: a route led to another upstream step by step, and back by itself when its guard fails."""

import json as json_module
import sys
from typing import Annotated, Any

from cyclopts import App, Parameter
from pydantic import TypeAdapter, ValidationError

from tidegate.cli.endpoints import Changing
from tidegate.cli.exits import DONE, INPUT_IS_WRONG, USED_WRONGLY
from tidegate.cli.instance import ask
from tidegate.cli.meant import MEANT, Meant
from tidegate.config.quantities import Duration

app = App(
    name="rollout",
    help="Lead a route to another upstream step by step.",
    help_epilogue="When its guard fails, the route leads back to where the file says, by itself.\n\n"
    "Example: tidegate rollout start api --to api-v2 --steps 1%,10%,50%,100% --hold 30s "
    "--guard 'error_rate < 1% and p99 < 1.2 * baseline'",
)

CHANGING = Changing()

Route = Annotated[str, Parameter(help="The route's name.")]


@app.command
def start(
    route: Route,
    /,
    *,
    to: str,
    steps: str = "1%,10%,50%,100%",
    hold: str = "30s",
    guard: str = "error_rate < 1%",
    least: int = 50,
    meant: Changing = CHANGING,
) -> int:
    """Begin a rollout. `--steps 100%` is a switch of blue and green, back by itself if the guard fails within the hold.

    Example: tidegate rollout start api --to api-v2 --steps 5%,100% --hold 1m

    Parameters
    ----------
    to
        The upstream that requests go to.
    steps
        Shares of the requests, rising.
    hold
        How long each step is held, the last one too.
    guard
        What must hold, or the route is rolled back: `error_rate`, `p50` to `p99.9`, `requests`, and `baseline`.
    least
        Requests to the new upstream before the guard is asked, and before a step ends.
    """
    try:
        shares = [float(each.strip().removesuffix("%")) for each in steps.split(",")]
        hold_s = TypeAdapter(Duration).validate_python(hold).milliseconds / 1000
    except (ValueError, ValidationError):
        print("tidegate: --steps are shares, as `1%,10%,100%`, and --hold is a time, as `30s`", file=sys.stderr)
        return USED_WRONGLY
    asked = {"to": to, "steps": shares, "hold_s": hold_s, "guard": guard, "least": least}
    return _change(meant, action="start", route=route, **asked)


@app.command
def status(route: str | None = None, /, *, meant: Meant = MEANT) -> int:
    """Show the last rollout of each route.

    Example: tidegate rollout status api

    Parameters
    ----------
    route
        Of this route alone; exit code 1 where it has none.
    """
    answer = ask("rollouts", meant.config, meant.socket)
    if isinstance(answer, int):
        return answer
    told = [each for each in answer["rollouts"] if route is None or each["route"] == route]
    if route is not None and not told:
        print(f"tidegate: route `{route}` has no rollout", file=sys.stderr)
        return INPUT_IS_WRONG
    if meant.json:
        print(json_module.dumps({"rollouts": told}, indent=2))
    else:
        print("\n".join(line for each in told for line in _lines(each)) or "there is no rollout")
    return DONE


@app.command
def pause(route: Route, /, *, meant: Changing = CHANGING) -> int:
    """Keep the share as it is; the guard goes on watching.

    Example: tidegate rollout pause api
    """
    return _change(meant, action="pause", route=route)


@app.command
def resume(route: Route, /, *, meant: Changing = CHANGING) -> int:
    """Go on with a paused rollout; its step is held anew.

    Example: tidegate rollout resume api
    """
    return _change(meant, action="resume", route=route)


@app.command
def abort(route: Route, /, *, meant: Changing = CHANGING) -> int:
    """Lead the route where the file says again, at once.

    Example: tidegate rollout abort api
    """
    return _change(meant, action="abort", route=route)


def _change(meant: Changing, **asked: Any) -> int:
    answer = ask("rollout", meant.config, meant.socket, {**asked, "dry_run": meant.dry_run})
    if isinstance(answer, int):
        return answer
    if meant.json:
        print(json_module.dumps({key: value for key, value in answer.items() if key != "ok"}, indent=2))
    else:
        print(f"{'' if answer['done'] else 'would be done: '}{answer['says']}")
    return DONE


def _lines(rollout: dict[str, Any]) -> list[str]:
    steps = ", ".join(f"{each:g} %" for each in rollout["steps"])
    state = rollout["state"].replace("_", " ")
    lines = [f"{rollout['route']} to {rollout['to']}: {state}, {rollout['share']:g} % ({steps})"]
    if rollout["left_s"] is not None:
        short = max(0, rollout["least"] - rollout["new"]["requests"])
        lines.append(f"  {rollout['left_s']:.0f} s of the step left{f', {short} requests too few' if short else ''}")
    lines += [f"  because {rollout['reason']}"] if rollout["reason"] else []
    return lines + [f"  {which}: {_figures(rollout[which])}" for which in ("new", "old")]


def _figures(told: dict[str, Any]) -> str:
    parts = [f"{told['requests']} requests"]
    parts += [f"{told['error_rate']:.2%} failed"] if told["error_rate"] is not None else []
    parts += [f"{name} {told[name] * 1000:.3g} ms" for name in ("p50", "p99") if told[name] is not None]
    return ", ".join(parts)
