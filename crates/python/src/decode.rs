//! A snapshot as a worker takes it, without one: whether it would be served, and how long that takes.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tidegate_core::dice::Dice;
use tidegate_core::lane::Serving;
use tidegate_core::rule::Set;
use tidegate_core::snapshot::compiled::Compiled;
use tidegate_core::snapshot::document::Document;

/// Decodes `document` and swaps a thread's table for it; gives the seconds of both. `sets` has what the named sets hold,
/// by digest. Raises `ValueError` with a line for each thing that no worker would serve.
#[pyfunction]
pub(crate) fn decode_snapshot(py: Python<'_>, document: &str, sets: HashMap<String, String>) -> PyResult<(f64, f64)> {
    py.detach(|| timed(document, &sets)).map_err(PyValueError::new_err)
}

fn timed(document: &str, sets: &HashMap<String, String>) -> Result<(f64, f64), String> {
    let began = Instant::now();
    let mut fresh = HashMap::with_capacity(sets.len());
    for (digest, lines) in sets {
        fresh.insert(digest.clone(), Arc::new(Set::compile(lines)?));
    }
    let document: Document = serde_json::from_str(document).map_err(|error| error.to_string())?;
    let compiled = Compiled::build_with(document, None, &fresh).map_err(|problems| problems.join("\n"))?;
    let decoded = began.elapsed();
    let compiled = Arc::new(compiled);
    let mut dice = Dice::seeded(0);
    let mut serving = Rc::new(Serving::new(Arc::clone(&compiled), None, &mut dice));
    // As in a reload that changes nothing: each upstream is looked for among the old ones.
    let began = Instant::now();
    let next = Rc::new(Serving::new(compiled, Some(&*serving), &mut dice));
    let old = std::mem::replace(&mut serving, next);
    let swapped = began.elapsed();
    drop(old);
    Ok((decoded.as_secs_f64(), swapped.as_secs_f64()))
}
