"""The tables and the picture of docs/balancing.md and docs/zones.md: what clients wait under each balancer, and what
zones make of it. `python -m tools.balancing`

With `--draw` the picture is drawn too; that needs matplotlib (`pip install --group plots`).
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from tidegate.config.upstream import Upstream
from tidegate.simulate.balancing import Played, Work, simulate

BALANCERS = ("round_robin", "random_two", "least_requests", "peak_ewma")
FIELDS: Sequence[tuple[str, list[Work]]] = (
    ("four alike", [Work(8, 0.010)] * 4),
    ("one of four ten times as slow", [*[Work(8, 0.010)] * 3, Work(8, 0.100)]),
    ("one of four with an eighth of the workers", [*[Work(8, 0.010)] * 3, Work(1, 0.010)]),
    ("hundred, five of them ten times as slow", [*[Work(8, 0.010)] * 95, *[Work(8, 0.100)] * 5]),
)
LOAD = 0.6
"""Of what the endpoints could serve together."""
REQUESTS = 200_000
ZONED = ("round_robin", "least_requests", "peak_ewma", "hash")
OWN, ALL = 2, 8
"""Endpoints in the zone of the instance, at which half of all requests come in, and in all."""
SHARE = 0.5
KEYS = 10_000
PICTURE = Path(__file__).parent.parent / "docs" / "balancing.svg"


def main() -> None:
    """Print the table, and draw the picture if asked to."""
    played = {title: {name: play(work, name) for name in BALANCERS} for title, work in FIELDS}
    print("| endpoints | " + " | ".join(f"`{name}`" for name in BALANCERS) + " |")
    print("|---|" + "---|" * len(BALANCERS))
    for title, by_name in played.items():
        cells = [
            " / ".join(f"{each.quantile(share) * 1000:.0f}" for share in (0.5, 0.99, 0.999))
            for each in by_name.values()
        ]
        print(f"| {title} | " + " | ".join(cells) + " |")
    tell_zones()
    if "--draw" in sys.argv[1:]:
        draw(played)


def tell_zones() -> None:
    """Print what an instance with few endpoints in its zone sends there, and what its requests wait."""
    print("\n| `zones` | " + " | ".join(f"`{name}`" for name in ZONED) + " |")
    print("|---|" + "---|" * len(ZONED))
    for title, zones in (("none", None), ("`{}`", {}), ("`{traffic: 50%}`", {"traffic": "50%"})):
        cells = []
        for name in ZONED:
            played = play_zones(name, zones)
            own = sum(at < OWN for at in played.endpoints) / len(played.endpoints)
            times = " / ".join(f"{played.quantile(share) * 1000:.0f}" for share in (0.5, 0.99))
            cells.append(f"{own:.0%}: {times}")
        print(f"| {title} | " + " | ".join(cells) + " |")


def play_zones(name: str, zones: dict[str, str] | None) -> Played:
    """One balancer on endpoints of two zones."""
    work = [Work(8, 0.010)] * ALL
    rate = SHARE * LOAD * sum(each.workers / each.service_s for each in work)
    endpoints = [{"address": f"10.0.0.{at}:80", "zone": "own" if at < OWN else "other"} for at in range(ALL)]
    balance = {"hash": {"key": "client.ip"}} if name == "hash" else name
    upstream = Upstream.model_validate({"balance": balance, "endpoints": endpoints, "zones": zones})
    return simulate(upstream, work, rate=rate, requests=REQUESTS, keys=KEYS if name == "hash" else 0, zone="own")


def play(work: Sequence[Work], name: str) -> Played:
    """One balancer on one field of endpoints."""
    rate = LOAD * sum(each.workers / each.service_s for each in work)
    addresses = [f"10.0.{number // 256}.{number % 256}:80" for number in range(len(work))]
    upstream = Upstream.model_validate({"balance": name, "endpoints": addresses})
    return simulate(upstream, work, rate=rate, requests=REQUESTS)


def draw(played: dict[str, dict[str, Played]]) -> None:
    """For each field, the share of the requests that waited longer than a time."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "tidegate", "font.size": 9, "axes.spines.top": False})
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, 2, figsize=(10, 7), sharey=True, layout="constrained")
    shares = [10 ** -(step / 20) for step in range(81)]  # 1 to 1 in 10,000
    for panel, (title, by_name) in zip(panels.flat, played.items(), strict=True):
        for name, each in by_name.items():
            took = sorted(each.took_s)
            times = [took[min(int((1 - share) * len(took)), len(took) - 1)] * 1000 for share in shares]
            panel.loglog(times, shares, label=name, linewidth=1.6)
        panel.set_title(title, loc="left")
        panel.grid(alpha=0.3)
        panel.set_xlim(1, 2_000)
        panel.set_xlabel("milliseconds")
    for panel in panels[:, 0]:
        panel.set_ylabel("share of requests that took longer")
    panels[0, 0].legend(frameon=False)
    figure.savefig(PICTURE, metadata={"Date": None})


if __name__ == "__main__":
    main()
