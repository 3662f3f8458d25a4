//! What Python may call of core and engine.

mod yaml; // a configuration's text, with positions
mod pattern; // whether a pattern is one of the engine's dialect

use pyo3::prelude::*;

/// The engine of Tidegate, for Python.
#[pymodule]
mod _engine {
    #[pymodule_export]
    use crate::pattern::pattern_flaw;
    #[pymodule_export]
    use crate::yaml::parse_yaml;
}
