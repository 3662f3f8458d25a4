"""What holds for the whole program: every key of the configuration but listeners, routes and upstreams."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from tidegate.config.access_log import AccessLog
from tidegate.config.addresses import FilePath
from tidegate.config.admin import Admin
from tidegate.config.complaint import refused
from tidegate.config.geo import Geo
from tidegate.config.model import Model, Name
from tidegate.config.named_set import NamedSet
from tidegate.config.program_log import ProgramLog
from tidegate.config.quantities import Duration, PositiveDuration
from tidegate.config.scalar import Substituted, Whole, one_or_more, show
from tidegate.config.zone import Zone


class Drain(Model):
    """How the program ends."""

    delay: Duration = Duration(0)
    """How long `/readyz` fails while all is still served, so that balancers in front of us notice."""
    timeout: Duration = Duration(25_000)
    """How long exchanges may then take to end; 0 ends them at once."""


class Upgrade(Model):
    """How another version of the program takes over from the one that runs; see `tidegate upgrade`."""

    ready: PositiveDuration = Duration(60_000)
    """How long the new program may take until its worker serves; then it is given up, and the old one serves on."""
    timeout: Duration = Duration(3_600_000)
    """How long a worker that was replaced may finish what it began; long downloads and tunnels stay on it. The default
    is that of `timeouts.tunnel`."""
    generations: Annotated[Whole, Field(ge=1, le=100)] = 3
    """Most workers that were replaced and still finish something; one more upgrade ends the oldest at once."""


def read_connections(given: Any) -> Any:
    """Take `auto` or a whole number."""
    if given == "auto":
        return "auto"
    if isinstance(given, Substituted) and given.isdecimal():
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int):
        raise refused(f"must be `auto` or a whole number, not {show(given)}")
    if not 0 <= given <= 2**32:
        raise refused(f"must be `auto` or a number from 0 to {2**32}, not {show(given)}")
    return given


class Limits(Model):
    """Bounds of the whole program."""

    connections: Annotated[
        int | Literal["auto"],
        BeforeValidator(read_connections),
        Field(json_schema_extra={"minimum": 0}),
    ] = "auto"
    """Most client connections at once; 0 is no limit. `auto` is a share of the file limit, and `ready` prints it."""


def read_threads(given: Any) -> Any:
    """Take a number of threads that some machine could run."""
    if isinstance(given, Substituted) and given.isdecimal():
        given = int(given)
    if isinstance(given, bool) or not isinstance(given, int):
        raise refused(f"must be a whole number, not {show(given)}")
    if not 1 <= given <= 1_024:
        raise refused(f"must be from 1 to 1024, not {show(given)}")
    return given


def check_user(name: str) -> str:
    """Refuse what no system calls a user; whether it exists, the machine tells that runs it."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}", name):
        raise refused(f"must be the name of a user, not {show(name)}")
    return name


class Settings(Model):
    """What holds for the whole program."""

    threads: Annotated[int, BeforeValidator(read_threads), Field(ge=1, le=1_024)] | None = None
    """Threads that serve. Default: the CPUs that affinity and the cgroup allow."""
    user: Annotated[str, AfterValidator(check_user)] | None = None
    """Who the program becomes when it is started as root."""
    zone: Zone | None = None
    """Where this instance runs, as `zone` of an endpoint: `${ZONE}`. Upstreams with `zones` prefer what is near.
    Default: it is in no zone."""
    access_log: AccessLog | None = None
    """Where exchanges are logged. Default: nowhere."""
    log: ProgramLog = ProgramLog()
    """The program's own log."""
    admin: Admin | None = None
    """Where the program can be asked over HTTP. Default: only through its Unix socket."""
    state: FilePath | None = None
    """The folder that the instance keeps its state in. Default: `$STATE_DIRECTORY`, else one named after this file."""
    drain: Drain = Drain()
    """How the program ends."""
    upgrade: Upgrade = Upgrade()
    """How another version of the program takes over."""
    limits: Limits = Limits()
    """Bounds of the whole program."""
    pid_file: FilePath | None = None
    """A file that holds the program's process ID while it runs."""
    sets: Mapping[Name, NamedSet] = {}
    """Named sets of networks or texts, for expressions: `client.ip in sets["office"]`."""
    geo: Geo | None = None
    """Databases that tell where clients are, for `client.country` and `balance: nearest`. Default: nothing does."""
    include: Annotated[tuple[str, ...], BeforeValidator(one_or_more, json_schema_input_type=str | tuple[str, ...])] = ()
    """Files with more listeners, routes and upstreams, relative to this one; `*` and `?` stand for any letters."""
