"""The access log of the snapshot: where lines go, and what they are made of."""

from collections.abc import Mapping
from typing import Any, get_args

from tidegate.compile.resolved import Resolved
from tidegate.config.access_log import AccessLog, Facility, Severity, Syslog
from tidegate.config.expression import ExchangeKey
from tidegate.config.log_format import FIELDS


def compile_access_log(log: AccessLog, resolved: Mapping[str, Resolved]) -> dict[str, Any]:
    """Write it; `resolved` has the addresses of a syslog server that is named."""
    syslog = log.syslog or (Syslog() if log.to.kind == "syslog" else None)
    return {
        "to": _target(log, syslog, resolved),
        "line": _line(log),
        "syslog": None if syslog is None else _syslog(syslog),
        "when": None if log.when is None else log.when.compiled,
        "sample": float(log.sample),
    }


def _target(log: AccessLog, syslog: Syslog | None, resolved: Mapping[str, Resolved]) -> Any:
    match log.to.kind:
        case "stdout":
            return "stdout"
        case "syslog":
            assert syslog is not None
            peer = log.to.peer
            assert peer is not None
            if not peer.is_name:
                return {syslog.transport: {"name": str(peer), "address": str(peer)}}
            addresses = resolved.get(str(peer), Resolved()).addresses
            return {syslog.transport: {"name": str(peer), "address": addresses[0] if addresses else None}}
        case kind:
            return {kind: str(log.to.path)}


def _line(log: AccessLog) -> dict[str, Any]:
    if not log.format.pieces:
        usual = (name for name, is_usual in FIELDS.items() if is_usual)
        return {"json": [_member(each) for each in log.fields or usual]}
    return {"words": [{kind: text} for kind, text in log.format.pieces]}


def _member(member: str | Mapping[str, ExchangeKey]) -> str | dict[str, Any]:
    if isinstance(member, str):
        return member
    ((key, written),) = member.items()
    return {"key": key, "text": written.compiled}


def _syslog(syslog: Syslog) -> dict[str, Any]:
    facility, severity = get_args(Facility).index(syslog.facility), get_args(Severity).index(syslog.severity)
    return {"priority": facility * 8 + severity, "app": syslog.app}
