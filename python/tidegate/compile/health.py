"""Health checks of the snapshot, with every default that another value decides."""

from typing import Any

from tidegate.config.health import Expected, Health


def compile_health(health: Health) -> dict[str, Any]:
    """Write how the endpoints of an upstream are checked."""
    interval = health.interval.milliseconds
    fast = max(1, interval // 2) if health.fast_interval is None else health.fast_interval.milliseconds
    return {
        "probe": compile_probe(health),
        "port": health.port,
        "interval_ms": interval,
        "fast_interval_ms": fast,
        "timeout_ms": interval if health.timeout is None else health.timeout.milliseconds,
        "rise": health.rise,
        "fall": health.fall,
    }


def compile_probe(health: Health) -> dict[str, Any]:
    """Write what is asked, and what a good answer is."""
    if health.tls is not None:
        return {"tls": {"sni": health.tls.sni, "alpn": list(health.tls.alpn)}}
    if health.udp is not None:
        return {
            "udp": {
                "send": health.udp.send,
                "expect": compile_expected(health.udp.expect),
                "answers": health.udp.answers,
            }
        }
    if health.grpc is not None:
        return {"grpc": {"service": health.grpc.service}}
    if health.http is None:
        tcp = health.tcp
        send, expect = ("", None) if tcp is None else (tcp.send, tcp.expect)
        return {"tcp": {"send": send, "expect": compile_expected(expect)}}
    http = health.http
    return {
        "http": {
            "method": http.method,
            "path": http.path,
            "host": http.host,
            "headers": [list(each) for each in http.headers.items()],
            "statuses": [[each.first, each.last] for each in http.statuses],
            "body": compile_expected(http.body),
        }
    }


def compile_expected(expected: Expected | None) -> dict[str, str] | None:
    """Write what must be found."""
    if expected is None:
        return None
    return {"regex": expected.regex} if expected.regex is not None else {"contains": expected.contains or ""}
