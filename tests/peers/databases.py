"""Databases that tell where addresses are, in MaxMind's format, by another hand than the one that reads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]


def write_database(path: Path, networks: Mapping[str, Any], kind: str = "Test-City") -> Path:
    """Write what is known of networks, each in CIDR form."""
    writer = MMDBWriter(6, kind, ipv4_compatible=True, int_type="u32", float_type="f64")
    for network, record in networks.items():
        writer.insert_network(IPSet([network]), record)
    writer.to_db_file(str(path))
    return path


def city(country: str, continent: str, latitude: float, longitude: float) -> dict[str, Any]:
    """Give a record as GeoLite2-City has it."""
    return {
        "city": {"geoname_id": 5, "names": {"en": "Somewhere"}},
        "continent": {"code": continent, "names": {"en": "A continent"}},
        "country": {"iso_code": country, "names": {"en": "A country"}},
        "location": {"accuracy_radius": 100, "latitude": latitude, "longitude": longitude, "time_zone": "Etc/UTC"},
    }


CITIES = {
    "203.0.113.0/24": city("DE", "EU", 50.1, 8.7),
    "198.51.100.0/24": city("US", "NA", 38.9, -77.5),
    "2001:db8::/32": city("AU", "OC", -33.9, 151.2),
}
"""Three cities far from each other."""

SYSTEMS = {"203.0.113.0/24": {"autonomous_system_number": 64500, "autonomous_system_organization": "Example"}}
"""One autonomous system."""
