//! A snapshot as a worker takes it, without one: whether it would be served, and how long that takes.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tidegate_core::dice::Dice;
use tidegate_core::geo::{Database, Tells};
use tidegate_core::lane::Serving;
use tidegate_core::rule::Set;
use tidegate_core::snapshot::compiled::{Compiled, Fresh};
use tidegate_core::snapshot::document::Document;

/// Decodes `document` and swaps a thread's table for it; gives the seconds of both. `sets` has what the named sets hold,
/// by digest, and `databases` the files that tell where clients are. Raises `ValueError` with a line for each thing that no
/// worker would serve.
#[pyfunction]
pub(crate) fn decode_snapshot(
    py: Python<'_>,
    document: &str,
    sets: HashMap<String, String>,
    databases: HashMap<String, Vec<u8>>,
) -> PyResult<(f64, f64)> {
    py.detach(|| timed(document, sets, databases)).map_err(PyValueError::new_err)
}

/// Says what is wrong with a database that is to tell of a `country`, an `asn` or, as `city`, of places; empty if nothing.
#[pyfunction]
pub(crate) fn database_flaw(py: Python<'_>, bytes: Vec<u8>, tells: &str) -> String {
    let (tells, what) = match tells {
        "country" => (Tells::Country, "country"),
        "asn" => (Tells::Asn, "autonomous system"),
        _ => (Tells::Place, "place"),
    };
    py.detach(|| match Database::read(bytes) {
        Ok(database) if database.tells(tells) => String::new(),
        Ok(database) => format!("is a database of the kind `{}`, and tells no {what}", database.kind()),
        Err(says) => says,
    })
}

/// What was sent apart from a document.
pub(crate) fn read_fresh(sets: HashMap<String, String>, databases: HashMap<String, Vec<u8>>) -> Result<Fresh, String> {
    let mut fresh = Fresh::default();
    for (digest, lines) in sets {
        fresh.sets.insert(digest, Arc::new(Set::compile(&lines)?));
    }
    for (digest, bytes) in databases {
        fresh.databases.insert(digest, Arc::new(Database::read(bytes)?));
    }
    Ok(fresh)
}

fn timed(
    document: &str,
    sets: HashMap<String, String>,
    databases: HashMap<String, Vec<u8>>,
) -> Result<(f64, f64), String> {
    let began = Instant::now();
    let fresh = read_fresh(sets, databases)?;
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
