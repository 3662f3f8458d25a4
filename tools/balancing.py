"""The table of docs/balancing.md: what clients wait under each balancer. `python -m tools.balancing`"""

from collections.abc import Sequence

from tidegate.config.upstream import Upstream
from tidegate.simulate.balancing import Work, simulate

BALANCERS = ("round_robin", "random_two", "least_requests", "peak_ewma")
FIELDS: Sequence[tuple[str, list[Work]]] = (
    ("four alike", [Work(8, 0.010)] * 4),
    ("one of four ten times as slow", [*[Work(8, 0.010)] * 3, Work(8, 0.100)]),
    ("one of four with an eighth of the workers", [*[Work(8, 0.010)] * 3, Work(1, 0.010)]),
    ("hundred, five of them ten times as slow", [*[Work(8, 0.010)] * 95, *[Work(8, 0.100)] * 5]),
)
LOAD = 0.6
"""Of what the endpoints could serve together."""


def main() -> None:
    """Print it."""
    print("| endpoints | " + " | ".join(f"`{name}`" for name in BALANCERS) + " |")
    print("|---|" + "---|" * len(BALANCERS))
    for title, work in FIELDS:
        rate = LOAD * sum(each.workers / each.service_s for each in work)
        cells = []
        for name in BALANCERS:
            addresses = [f"10.0.{number // 256}.{number % 256}:80" for number in range(len(work))]
            upstream = Upstream.model_validate({"balance": name, "endpoints": addresses})
            played = simulate(upstream, work, rate=rate, requests=200_000)
            cells.append(" / ".join(f"{played.quantile(share) * 1000:.0f}" for share in (0.5, 0.99, 0.999)))
        print(f"| {title} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
