"""The work: what is asked of each proxy, and how the proxies are set for it."""

from dataclasses import dataclass
from typing import Literal

HOSTS = 10_000


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of work."""

    name: str
    title: str
    budget: str
    path: str = "/1k"
    connections: int = 50
    script: str = ""  # for wrk, in Lua
    fields: tuple[str, ...] = ()
    beside: str = ""  # the case that it is compared with, in the same rounds
    hosts: int = 0  # routes by host; 0 is one route for all
    access_log: bool = False
    filters: bool = False  # one header set each way
    large: bool = False  # large proxy buffers in nginx
    splice: bool = False  # in HAProxy
    layer4: bool = False  # bytes are carried on as they are
    streams: int = 0  # of HTTP/2 on each connection, in clear text; 0 is HTTP/1
    unit: Literal["us", "MB/s", "KiB"] = "us"


POST = 'wrk.method = "POST"; wrk.body = string.rep("x", 10240)'
ONE_HOST = 'request = function() return "GET /1k HTTP/1.1\\r\\nHost: host-1.example.com\\r\\n\\r\\n" end'
MANY_HOSTS = f"""
local texts, at = {{}}, 0
for i = 1, {HOSTS} do texts[i] = "GET /1k HTTP/1.1\\r\\nHost: host-" .. i .. ".example.com\\r\\n\\r\\n" end
request = function() at = at % {HOSTS} + 1; return texts[at * 7919 % {HOSTS} + 1] end
"""

CASES = (
    Case("1k", "1 KiB, 50 keep-alive connections", "≤ 0.95 of nginx, user ≤ 3.0 µs"),
    Case("1k-log", "the same with JSON access logs", "≤ 1.0 of nginx", access_log=True),
    Case("100k", "100 KiB downloads", "≤ 1.0 of the better", path="/100k", large=True),
    Case(
        "64m",
        "64 MiB downloads (MB a CPU second)",
        "≥ 1.0 of the better",
        path="/64m",
        connections=4,
        large=True,
        splice=True,
        unit="MB/s",
    ),
    Case("post", "10 KiB posts", "≤ 1.0 of the better", path="/post", script=POST),
    Case("connect", "a new connection for each request", "≤ 1.0 of nginx", fields=("Connection: close",)),
    Case("host", "1 KiB, routed by host, one host", "", script=ONE_HOST, hosts=1),
    Case(
        "hosts",
        "1 KiB, routed by host, 10,000 hosts",
        "within 3 % of one host",
        script=MANY_HOSTS,
        hosts=HOSTS,
        beside="host",
    ),
    Case(
        "filters",
        "1 KiB, routed by host, one header set each way, JSON access logs",
        "≤ 1.0 of nginx",
        script=ONE_HOST,
        hosts=1,
        access_log=True,
        filters=True,
    ),
    Case(
        "h2-1k",
        "HTTP/2 in clear text: 1 KiB, 10 connections × 32 streams",
        "≤ 0.64 of nginx",
        connections=10,
        streams=32,
    ),
    Case("tcp-1k", "layer 4: 1 KiB, 50 kept connections", "≤ 1.0 of the better", layer4=True),
    Case(
        "tcp-100k",
        "layer 4: 100 KiB, 50 kept connections",
        "≤ 1.0 of the better",
        path="/100k",
        large=True,
        layer4=True,
        splice=True,
    ),
    Case(
        "tcp-64m",
        "layer 4: 64 MiB (MB a CPU second)",
        "≥ 1.0 of the better",
        path="/64m",
        connections=4,
        layer4=True,
        splice=True,
        unit="MB/s",
    ),
    Case(
        "tcp-connect",
        "layer 4: a new connection for each request",
        "≤ 1.0 of the better",
        fields=("Connection: close",),
        layer4=True,
    ),
    Case("idle", "10,000 idle keep-alive connections (KiB each)", "≤ 1.5 KiB", connections=10_000, unit="KiB"),
)
"""In the order of the table."""
