//! The fields of the access log, so that `tidegate check` knows what the engine knows.

use pyo3::prelude::*;
use tidegate_engine::log::fields::Field;

/// Every field of the access log, in the order of a line, and whether a line has it where the configuration chooses none.
#[pyfunction]
pub(crate) fn access_log_fields() -> Vec<(&'static str, bool)> {
    Field::ALL.iter().map(|field| (field.about().name, field.is_usual())).collect()
}
