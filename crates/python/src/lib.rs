//! What Python may call of core and engine.
//!
//! May use: pyo3, saphyr-parser, core, engine. Must not know: sockets, routes.

mod yaml; // a configuration's text, with positions
mod framing; // one message as the core frames it
mod kinds; // the kinds of failures
mod pattern; // whether a pattern is one of the engine's dialect
mod rule; // expressions, and the files of named sets
mod log; // the fields of the access log
mod decode; // a snapshot, without a worker
mod explain; // what becomes of one request, connection or datagram
mod simulate; // what clients of an upstream would wait
mod work; // the worker's whole life

use pyo3::prelude::*;

/// Small boxes come and go with every connection; measured faster than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The engine of Tidegate, for Python.
#[pymodule]
mod _engine {
    #[pymodule_export]
    use crate::decode::{database_flaw, decode_snapshot};
    #[pymodule_export]
    use crate::explain::{explain, explain_layer4};
    #[pymodule_export]
    use crate::framing::{read_request, read_response};
    #[pymodule_export]
    use crate::kinds::failure_kinds;
    #[pymodule_export]
    use crate::log::access_log_fields;
    #[pymodule_export]
    use crate::pattern::{pattern_flaw, replacement_flaw};
    #[pymodule_export]
    use crate::rule::{fill_template, read_set, rule_holds};
    #[pymodule_export]
    use crate::simulate::simulate;
    #[pymodule_export]
    use crate::work::work;
    #[pymodule_export]
    use crate::yaml::parse_yaml;
}
