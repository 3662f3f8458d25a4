//! Whether a pattern is one of the engine's dialect, so that `tidegate check` says what the core would say.

use pyo3::prelude::*;

/// Says why `pattern` cannot be a route's `regex`, in the words of the dialect; none if it can.
#[pyfunction]
pub(crate) fn pattern_flaw(pattern: &str) -> Option<String> {
    tidegate_core::route::patterns::flaw(pattern)
}

/// Says why `with_` cannot stand in the place of what `pattern` finds in a path; none if it can.
#[pyfunction]
pub(crate) fn replacement_flaw(pattern: &str, with_: &str) -> Option<String> {
    tidegate_core::filter::replacement::flaw(pattern, with_)
}
