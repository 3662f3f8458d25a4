"""`tidegate proxy`: the main job without a file."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tidegate.cli.exits import USED_WRONGLY

if TYPE_CHECKING:
    from tidegate.config.load import Loaded

SOURCE = "proxy"
"""What the snapshot names as its source."""


def proxy(
    *,
    listen: Annotated[tuple[str, ...], Parameter(negative=())],
    to: Annotated[tuple[str, ...], Parameter(negative=())],
    socket: Path | None = None,
) -> int:
    """Run without a file: where to listen, and where to send.

    Example: tidegate proxy --listen :8080 --to http://127.0.0.1:9001 --to http://127.0.0.1:9002

    Parameters
    ----------
    listen
        An address: 127.0.0.1:8080, :8080 (all addresses), unix:/run/x.sock; may be given more than once.
    to
        A backend: http://127.0.0.1:9001, name:9001, unix:/run/app.sock; may be given more than once.
    socket
        Where the control socket shall be, for `status` and `stop`.
    """
    loaded = build(listen, to)
    if isinstance(loaded, str):
        print(f"tidegate: {loaded}", file=sys.stderr)
        return USED_WRONGLY
    from tidegate.supervisor import run as supervise

    return supervise(loaded, socket=socket)


def build(listen: tuple[str, ...], to: tuple[str, ...]) -> "Loaded | str":
    """Make the configuration of one listener and one upstream, or say what is wrong with the words given."""
    from pydantic import ValidationError

    from tidegate.config.config import Config
    from tidegate.config.load import Loaded
    from tidegate.config.words import tell

    addresses = []
    for url in to:
        address = address_of(url)
        if address is None:
            return f"`--to {url}` must be http://HOST:PORT, without a path"
        addresses.append(address)
    folder = Path().absolute()
    data = {
        "listeners": {"proxy": {"bind": list(listen)}},
        "routes": [{"name": "all", "to": "backends"}],
        "upstreams": {"backends": {"endpoints": addresses}},
    }
    try:
        config = Config.model_validate(data, context={"folder": folder})
    except ValidationError as errors:
        error = errors.errors(include_url=False)[0]
        option = "--listen" if error["loc"][:1] == ("listeners",) else "--to"
        words = tell(error, Config, f"`{option} {error['input']}`")
        return f"{words.says} ({words.hint})" if words.hint else words.says
    return Loaded(SOURCE, config)


def address_of(url: str) -> str | None:
    """Take the address out of a URL; `http` means port 80 where none is given. None: it has more than an address."""
    if "://" not in url:
        return url
    scheme, _, rest = url.partition("://")
    if scheme.lower() != "http":
        return None
    host = rest.removesuffix("/")
    if not host or any(letter in host for letter in "/?#@"):
        return None
    bare = host.rpartition("]")[2] if host.startswith("[") else host
    return host if ":" in bare else f"{host}:80"
