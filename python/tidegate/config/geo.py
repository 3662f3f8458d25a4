"""Databases that tell where clients are. Read in the core, `crates/core/src/geo/`; docs/zones.md says what for."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, model_validator

from tidegate._engine import database_flaw
from tidegate.config.addresses import FilePath
from tidegate.config.complaint import refused
from tidegate.config.model import Model

MOST_BYTES = 2**30
"""No database is larger; MaxMind's largest has some 130 MB."""


class Geo(Model):
    """Databases in MaxMind's format (GeoLite2, GeoIP2, DB-IP, IPinfo), that tell where clients are.

    A file is read when the configuration is: a reload reads it again, and what has not changed goes on.
    """

    country: FilePath | None = None
    """Tells `client.country` and `client.continent`, as GeoLite2-Country. Default: `city` does."""
    asn: FilePath | None = None
    """Tells `client.asn`, as GeoLite2-ASN."""
    city: FilePath | None = None
    """Tells places, for `balance: nearest`, as GeoLite2-City."""

    _read: dict[str, tuple[str, bytes]] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def is_read(self) -> "Geo":
        """Read the files, and refuse what does not tell what it is there for."""
        for tells, path in self.files():
            content = _content(tells, path)
            if flaw := database_flaw(content, tells):
                raise refused(f"`{path}` {flaw}", at=(tells,))
            self._read[tells] = (hashlib.sha256(content).hexdigest(), content)
        return self

    def files(self) -> Iterator[tuple[str, Path]]:
        """Give each file that is named, behind what it tells."""
        named = (("country", self.country), ("asn", self.asn), ("city", self.city))
        return ((tells, path) for tells, path in named if path is not None)

    @property
    def digests(self) -> Mapping[str, str]:
        """What each file holds, in short: equal digests hold the same."""
        return {tells: digest for tells, (digest, _) in self._read.items()}

    @property
    def contents(self) -> Mapping[str, bytes]:
        """What the files hold, by digest."""
        return dict(self._read.values())


def _content(tells: str, path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise refused(f"`{path}` cannot be read: {error.strerror or error}", at=(tells,)) from None
    if len(content) > MOST_BYTES:
        raise refused(f"`{path}` is longer than the {MOST_BYTES // 2**20} MiB that a database may have", at=(tells,))
    return content


class Location(Model):
    """A place on the ground; `[50.1, 8.7]` says the same as `{latitude: 50.1, longitude: 8.7}`."""

    latitude: Annotated[float, Field(ge=-90, le=90)]
    """Degrees north; south of the equator below 0."""
    longitude: Annotated[float, Field(ge=-180, le=180)]
    """Degrees east; west of Greenwich below 0."""

    @model_validator(mode="before")
    @classmethod
    def read_pair(cls, given: Any) -> Any:
        """Let a list of two stand for the mapping."""
        if not isinstance(given, list | tuple):
            return given
        if len(given) != 2:
            raise refused("must be latitude and longitude, as `[50.1, 8.7]`")
        return {"latitude": given[0], "longitude": given[1]}

    @property
    def millionths(self) -> tuple[int, int]:
        """Both in millionths of a degree, some 11 cm."""
        return round(self.latitude * 1e6), round(self.longitude * 1e6)
