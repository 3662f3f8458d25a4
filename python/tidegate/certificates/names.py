"""Names of certificates, without reading one."""

import re
from collections.abc import Sequence


def is_address(host: str) -> bool:
    """Say whether a host is an IP address, as hosts are written."""
    return re.fullmatch(r"[0-9.]+|\[.*\]", host) is not None


def covers(names: Sequence[str], host: str) -> bool:
    """Say whether one of these names is a host's; a star stands for one label (RFC 9525, section 6.3)."""
    parent = host if is_address(host) else re.sub(r"^[^.*]+\.", "*.", host)
    return host in names or parent in names
