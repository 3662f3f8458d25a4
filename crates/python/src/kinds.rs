//! The kinds of failures, for whoever names one in a configuration.

use pyo3::prelude::*;
use tidegate_core::failure::Kind;

/// Lists the kinds of failures that are answered, each with the status of its answer.
#[pyfunction]
pub(crate) fn failure_kinds() -> Vec<(&'static str, u16)> {
    Kind::ALL.iter().filter(|kind| kind.status() >= 400).map(|kind| (kind.name(), kind.status())).collect()
}
