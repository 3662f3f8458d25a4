"""Outliers of the snapshot, as `crates/core/src/snapshot/document/outlier.rs` reads them."""

from typing import Any

from tidegate.config.outlier import Outlier


def compile_outlier(outlier: Outlier) -> dict[str, Any]:
    """Write when endpoints are ejected."""
    rate, latency = outlier.success_rate, outlier.latency
    return {
        "server_errors": outlier.server_errors,
        "gateway_errors": outlier.gateway_errors,
        "broken": outlier.broken,
        "interval_ms": outlier.interval.milliseconds,
        "ejection_time_ms": outlier.ejection_time.milliseconds,
        "most_ejection_time_ms": outlier.most_ejection_time.milliseconds,
        "most_ejected": outlier.most_ejected.amount,
        "success_rate": {"deviations": rate.deviations, "endpoints": rate.endpoints, "requests": rate.requests},
        "latency": {
            "factor": latency.factor,
            "least_ms": latency.least.milliseconds,
            "endpoints": latency.endpoints,
            "requests": latency.requests,
        },
    }
