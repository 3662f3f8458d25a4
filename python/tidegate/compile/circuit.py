"""Bounds on the work of an upstream, in the snapshot."""

from typing import Any

from tidegate.config.circuit import Adaptive, Circuit


def compile_circuit(circuit: Circuit) -> dict[str, Any]:
    """Write the bounds of an upstream."""
    return {
        "requests": circuit.requests,
        "adaptive": None if circuit.adaptive is None else compile_adaptive(circuit.adaptive),
        "priority": None if circuit.priority is None else circuit.priority.compiled,
    }


def compile_adaptive(adaptive: Adaptive) -> dict[str, Any]:
    """Write how a bound is found."""
    return {
        "interval_ms": adaptive.interval.milliseconds,
        "tolerance": adaptive.tolerance.amount,
        "least": adaptive.least,
        "most": adaptive.most,
        "measure_ms": adaptive.measure.milliseconds,
    }
