"""Zones on real sockets: the nearest endpoints serve, and others what those cannot."""

from collections.abc import Callable
from typing import Any

from tests.peers.backend import Backend
from tests.peers.tidegate import Config, Tidegate, upstream
from tests.scenarios.test_endpoints import answers, named

Backends = Callable[..., Backend]


def zoned(*endpoints: tuple[Backend, str], **zones: Any) -> Config:
    """A configuration of an instance in the zone `eu/a`, with endpoints in these zones."""
    config = upstream([])
    config["zone"] = "eu/a"
    config["upstreams"]["api"] |= {
        "zones": zones,
        "endpoints": [{"address": backend.address, "zone": zone} for backend, zone in endpoints],
    }
    return config


def test_the_nearest_zone_serves_and_others_take_over_what_it_cannot(tidegate: Tidegate, backend: Backends) -> None:
    near, also_near, far, farthest = (named(backend, name) for name in ("near", "also near", "far", "farthest"))
    proxy = tidegate.run(zoned((far, "eu/b"), (near, "eu/a"), (farthest, "us/a"), (also_near, "eu/a/rack-2")))
    assert answers(proxy, 20) == {"near": 10, "also near": 10}
    proxy.call("endpoints", "drain", "api", near.address)
    seen = answers(proxy, 200)  # half of the zone is well enough for 70 %
    assert set(seen) == {"also near", "far"} and 130 <= seen["also near"] <= 150, seen
    proxy.call("endpoints", "drain", "api", also_near.address)
    assert answers(proxy, 10) == {"far": 10}
    proxy.call("endpoints", "drain", "api", far.address)
    assert answers(proxy, 10) == {"farthest": 10}
    for each in (near, also_near, far):
        proxy.call("endpoints", "resume", "api", each.address)
    assert answers(proxy, 20) == {"near": 10, "also near": 10}


def test_a_zone_with_fewer_endpoints_than_its_traffic_passes_the_rest_on(tidegate: Tidegate, backend: Backends) -> None:
    near, far, also_far = (named(backend, name) for name in ("near", "far", "also far"))
    proxy = tidegate.run(zoned((near, "eu/a"), (far, "eu/b"), (also_far, "eu/b"), traffic="100%"))
    seen = answers(proxy, 200)  # a third of the endpoints, times 1.4, for all the traffic
    assert 84 <= seen["near"] <= 100, seen
