//! What Python may call of core and engine.

mod yaml; // a configuration's text, with positions

use pyo3::prelude::*;

/// The engine of Tidegate, for Python.
#[pymodule]
mod _engine {
    #[pymodule_export]
    use crate::yaml::parse_yaml;
}
