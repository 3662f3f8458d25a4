"""The result: a table for people, the same on the terminal and in RESULTS.md."""

from bench.cases import Case
from bench.loader import Result

HEAD = ("case", "proxy", "CPU µs a request", "user", "system", "of nginx", "requests/s", "p50 ms", "p99 ms", "failed")
TITLE = "# What a request costs"
NOTE = """\
Made by `make bench`: {rounds} interleaved rounds of {seconds} s for each case and proxy, medians.
{versions}.

Each proxy has one thread or worker on core 0; the origin (nginx) and the loader (wrk) share core 1. Peers run in their
best settings (`bench/peers.py`), Tidegate with metrics on; access logs are off but in the one case. CPU time is the
scheduler's count for the worker process, split by its `utime` and `stime`. "of nginx" below 1 is cheaper than nginx;
for MB a CPU second, above 1 is. Measured on {date}.
"""


def render(results: dict[tuple[str, str], Result], cases: list[Case], calls: dict[str, str]) -> str:
    """The table in Markdown, and the system calls if they were counted."""
    rows: list[tuple[str, ...]] = [HEAD]
    for case in cases:
        peers = [peer for name, peer in results if name == case.name]
        base = results.get((case.name, "nginx"))
        title = f"{case.title}; {case.budget}" if case.budget else case.title
        rows += [(title if i == 0 else "", p, *cells(case, results[case.name, p], base)) for i, p in enumerate(peers)]
    text = lines_of(rows, left=2)
    if calls:
        text += "\nSystem calls a request in the first case, by `strace -c`:\n\n"
        text += "".join(f"- {peer}: {told}\n" for peer, told in calls.items())
    return text


def lines_of(rows: list[tuple[str, ...]], left: int) -> str:
    """A table in Markdown of a head and its rows, whose first `left` columns are texts."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| "
        + " | ".join(c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
    rule = "|" + "|".join("-" * (w + 1) + ("-" if i < left else ":") for i, w in enumerate(widths)) + "|"
    return "\n".join([lines[0] + " |", rule, *(line + " |" for line in lines[1:])]) + "\n"


def cells(case: Case, result: Result, base: Result | None) -> tuple[str, ...]:
    """One row's figures, as the case counts them."""
    if case.unit == "KiB":
        of = f"{result.idle_kib / base.idle_kib:.2f}" if base and base.idle_kib else ""
        return (f"{result.idle_kib:.2f} KiB", "", "", of, "", "", "", "0")
    value, reference = result.total_us, base.total_us if base else 0.0
    shown = f"{value:.1f}"
    if case.unit == "MB/s":
        value, reference = result.megabytes_per_cpu_s, base.megabytes_per_cpu_s if base else 0.0
        shown = f"{value:,.0f} MB/s"
    return (
        shown,
        f"{result.user_us:.1f}",
        f"{result.system_us:.1f}",
        f"{value / reference:.2f}" if reference else "",
        f"{result.per_second:,.0f}",
        f"{result.p50_ms:.2f}" if result.p50_ms else "",
        f"{result.p99_ms:.2f}" if result.p99_ms else "",
        str(result.failures),
    )
