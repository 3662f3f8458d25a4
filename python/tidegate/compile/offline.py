"""A configuration compiled and decoded as a reload does it, but for no worker: what `check` does last."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate._engine import decode_snapshot
from tidegate.compile import machine
from tidegate.compile.resolved import Resolved
from tidegate.compile.snapshot import all_binds, compile_snapshot, names_to_resolve
from tidegate.config.config import Config

MOST_BYTES = 256 * 2**20
"""The largest snapshot that a worker takes: `MOST_FROM_SUPERVISOR` in `crates/engine/src/control/frame.rs`."""


@dataclass(frozen=True)
class Offline:
    """What a worker would have said."""

    problems: tuple[str, ...] = ()
    """What it would not serve, a sentence each."""
    took_s: Mapping[str, float] = field(default_factory=dict)
    """Seconds by stage: `compile`, and `decode` and `swap` where it would be served."""
    size: int = 0
    """The bytes of the snapshot, of which a frame of the control socket takes at most 256 MiB."""


def compile_offline(config: Config, source: str) -> Offline:
    """Compile and decode. No socket is bound and no name looked up: both stand for something that is there."""
    began = time.perf_counter()
    document = compile_snapshot(
        config,
        number=1,
        source=source,
        since=0.0,
        threads=config.threads or machine.threads(),
        connections=0 if config.limits.connections == "auto" else config.limits.connections,
        sockets={str(bind.address): [index] for index, bind in enumerate(all_binds(config))},
        resolved={name: Resolved(says="not looked up") for name in names_to_resolve(config)},
        api_socket=None,
    )
    text = json.dumps(document, separators=(",", ":"))
    took_s = {"compile": time.perf_counter() - began}
    if len(text) > MOST_BYTES:
        has, most = len(text) // 2**20, MOST_BYTES // 2**20
        says = f"the snapshot would have {has} MiB, and a worker takes {most}: it needs fewer routes"
        return Offline((says,), took_s, len(text))
    try:
        sets = {each.digest: each.lines for each in config.sets.values()}
        decode, swap = decode_snapshot(text, sets, dict(config.geo.contents) if config.geo is not None else {})
    except ValueError as error:
        return Offline(tuple(str(error).splitlines()), took_s, len(text))
    return Offline((), {**took_s, "decode": decode, "swap": swap}, len(text))
