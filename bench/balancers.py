"""The balancers that `tail.py` compares: each proxy with each of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.peers import (
    PROXY_CORE,
    Peer,
    free_address,
    program,
    start,
    start_nginx,
    start_tidegate,
    wait_until_it_accepts,
)


@dataclass(frozen=True, slots=True)
class Balanced:
    """A proxy with one of its balancers."""

    title: str
    begin: Callable[[Path, Sequence[str]], Peer]


def nginx(lines: str) -> Callable[[Path, Sequence[str]], Peer]:
    """nginx with the directive of a balancer."""

    def begin(folder: Path, endpoints: Sequence[str]) -> Peer:
        address = free_address()
        servers = " ".join(f"server {each};" for each in endpoints)
        body = f"""access_log off; upstream origin {{ {lines} {servers} keepalive 1024; }}
            server {{ listen {address} backlog=4096; location / {{ proxy_pass http://origin;
            proxy_http_version 1.1; proxy_set_header Connection ""; }} }}"""
        return start_nginx("nginx", PROXY_CORE, folder, address, body)

    return begin


def haproxy(balance: str) -> Callable[[Path, Sequence[str]], Peer]:
    """HAProxy with one of its balancers; connections to endpoints are always reused."""

    def begin(folder: Path, endpoints: Sequence[str]) -> Peer:
        folder.mkdir(parents=True)
        address, config, output = free_address(), folder / "haproxy.cfg", folder / "output"
        servers = "".join(f"  server s{number} {each}\n" for number, each in enumerate(endpoints))
        config.write_text(
            "global\n  nbthread 1\n  maxconn 12000\n  no strict-limits\n"
            "defaults\n  mode http\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n"
            f"  http-reuse always\nfrontend web\n  bind {address} backlog 4096\n  default_backend origin\n"
            f"backend origin\n  balance {balance}\n{servers}"
        )
        process = start([program("haproxy"), "-db", "-f", str(config)], PROXY_CORE, output)
        wait_until_it_accepts(address, process, output)
        return Peer("haproxy", address, [process], process.pid)

    return begin


def tidegate(balance: str, **more: object) -> Callable[[Path, Sequence[str]], Peer]:
    """Tidegate with one of its balancers."""

    def begin(folder: Path, endpoints: Sequence[str]) -> Peer:
        upstream = {"endpoints": list(endpoints), "balance": balance, **more}
        return start_tidegate(folder, {"routes": [{"to": "origin"}], "upstreams": {"origin": upstream}})

    return begin


BALANCERS = (
    Balanced("tidegate `peak_ewma`", tidegate("peak_ewma")),
    Balanced("tidegate `least_requests`", tidegate("least_requests")),
    Balanced("tidegate `random_two`", tidegate("random_two")),
    Balanced("tidegate `round_robin`", tidegate("round_robin")),
    Balanced("tidegate `round_robin`, `outlier: {interval: 2s}`", tidegate("round_robin", outlier={"interval": "2s"})),
    Balanced("haproxy `leastconn`", haproxy("leastconn")),
    Balanced("haproxy `random(2)`", haproxy("random(2)")),
    Balanced("haproxy `roundrobin`", haproxy("roundrobin")),
    Balanced("nginx `least_conn`", nginx("least_conn;")),
    Balanced("nginx `random two least_conn`", nginx("random two least_conn;")),
)
"""In the order of the table."""
