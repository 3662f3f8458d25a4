"""Outliers: endpoints that fail requests or are far from the others. Decided in the core, `crates/core/src/health/`."""

from typing import Annotated

from pydantic import Field

from tidegate.config.model import Model
from tidegate.config.quantities import Duration, Percent, PositiveDuration
from tidegate.config.scalar import Whole

InARow = Annotated[Whole, Field(ge=0, le=1_000_000)]
Enough = Annotated[Whole, Field(ge=1, le=1_000_000)]


class SuccessRate(Model):
    """Far fewer good answers (whole, below 500) than the others, in one interval."""

    deviations: Annotated[float, Field(ge=0, le=100)] = 1.9
    """So many standard deviations below the mean; 0 is off. (Envoy's `success_rate_stdev_factor`.)"""
    endpoints: Enough = 5
    """Only where so many endpoints had enough requests. (Envoy's default.)"""
    requests: Enough = 100
    """What is enough. (Envoy's default.)"""


class Latency(Model):
    """Far slower than the others, in one interval: by the mean time to the first byte of an answer."""

    factor: Annotated[float, Field(ge=0, le=1_000)] = 4.0
    """So many times the median of the others; 0 is off."""
    least: Duration = Duration(20)
    """And slower than that by so much."""
    endpoints: Annotated[Whole, Field(ge=3, le=1_000_000)] = 3
    """Only where so many endpoints had enough answers: of two nobody knows which one is as it should be."""
    requests: Enough = 20
    """What is enough."""


class Outlier(Model):
    """Endpoints that fail requests take no new ones for a while, whatever checks say.

    A request that fails on two endpoints is held against neither until it is answered well somewhere: one that makes
    every backend hang up takes none out. When its time is over an endpoint gets one request at a time, and is back
    after three that went well. A kept connection that the endpoint closed between requests is no failure.
    """

    server_errors: InARow = 5
    """So many requests in a row with a status of 500 and more, or without a whole answer; 0 is off. (Envoy's
    `consecutive_5xx`.)"""
    gateway_errors: InARow = 0
    """The same for 502, 503 and 504. (Envoy's `consecutive_gateway_failure`, which ejects nobody by default.)"""
    broken: InARow = 5
    """So many in a row without a whole answer: not connected, reset, timed out, cut in the middle; 0 is off. (Envoy's
    `consecutive_local_origin_failure`.)"""
    interval: PositiveDuration = Duration(10_000)
    """How often endpoints are compared, and one ejection of each that is in is forgotten. (Envoy's default.)"""
    ejection_time: PositiveDuration = Duration(30_000)
    """How long the first ejection lasts; the n-th lasts n times as long. (Envoy's `base_ejection_time`.)"""
    most_ejection_time: PositiveDuration = Duration(300_000)
    """Longest ejection. (Envoy's `max_ejection_time`.)"""
    most_ejected: Percent = Percent(10)
    """Most endpoints that may be ejected at once; one always may. (Envoy's `max_ejection_percent`.)"""
    success_rate: SuccessRate = SuccessRate()
    """Far fewer good answers than the others."""
    latency: Latency = Latency()
    """Far slower than the others."""
