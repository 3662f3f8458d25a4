"""`tidegate trust`: this machine believes the instance's own authority."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tidegate.cli.exits import DONE, MACHINE_REFUSES


@dataclass(frozen=True)
class Place:
    """Where a system keeps the authorities that an administrator has added, and what makes them count."""

    folder: Path
    refresh: tuple[str, ...]


PLACES = (
    Place(Path("/usr/local/share/ca-certificates"), ("update-ca-certificates",)),  # Debian, Alpine
    Place(Path("/etc/pki/ca-trust/source/anchors"), ("update-ca-trust",)),  # Fedora
    Place(Path("/etc/ca-certificates/trust-source/anchors"), ("trust", "extract-compat")),  # Arch
    Place(Path("/etc/pki/trust/anchors"), ("update-ca-certificates",)),  # SUSE
)


def trust(
    config: Path | None = None,
    *,
    show: Annotated[bool, Parameter(name="--print", negative=())] = False,
    remove: Annotated[bool, Parameter(negative=())] = False,
    socket: Path | None = None,
) -> int:
    """Make this machine believe the instance's own authority, as its administrator.

    Whoever has its key, which is in the state folder, could then be any site to this machine: do it where you develop.
    Browsers with a list of their own (Firefox, Chromium) take the file that --print gives.

    Example: tidegate trust tidegate.yaml

    Parameters
    ----------
    config
        The configuration that the instance is started with; default: the only instance there is.
    show
        Only print the authority's certificate (PEM).
    remove
        Believe it no more.
    socket
        Its control socket.
    """
    from tidegate.certificates.authority import Authority
    from tidegate.cli.kept import store_of

    store = store_of(config, socket)
    if isinstance(store, int):
        return store
    try:
        authority = Authority.of(store, time.time())
    except OSError as error:
        print(f"tidegate: {store.folder} cannot be used: {error.strerror}", file=sys.stderr)
        return MACHINE_REFUSES
    if show:
        print(authority.root_pem, end="")
        return DONE
    place = next((each for each in PLACES if each.folder.is_dir() and find(each.refresh[0])), None)
    if place is None:
        print("tidegate: how this system is told of an authority is not known; `--print` gives it", file=sys.stderr)
        return MACHINE_REFUSES
    file = place.folder / f"tidegate-{authority.root.serial_number:x}.crt"
    try:
        if remove:
            file.unlink(missing_ok=True)
        else:
            file.write_text(authority.root_pem)
        subprocess.run([find(place.refresh[0]), *place.refresh[1:]], check=True, stdout=subprocess.DEVNULL)
    except OSError as error:
        print(f"tidegate: {file} cannot be changed: {error.strerror}", file=sys.stderr)
        return MACHINE_REFUSES
    except subprocess.CalledProcessError as error:
        print(f"tidegate: {' '.join(place.refresh)} ended with {error.returncode}", file=sys.stderr)
        return MACHINE_REFUSES
    print(f"{file}: {'removed' if remove else 'believed from now on'}")
    return DONE


def find(program: str) -> str:
    """Say where a program of the administrator's is; empty: nowhere."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""
