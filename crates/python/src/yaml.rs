//! YAML 1.2 with positions, as plain tuples for `tidegate.config.tree`. In Rust because a parser in Python took 6.3 s
//! for 10,000 hosts; what the values mean is decided in Python.
//!
//! A node is `(kind, value, line, column, end_line, end_column, text)`. Lines and columns count from 1, in characters;
//! the end is exclusive. `kind` is one of
//! - `plain`: a scalar without quotes, `value` by the core schema (YAML 1.2.2, section 10.3.2), `text` as written;
//! - `quoted`: a string in quotes or a block, `text` is none;
//! - `secret`: a scalar with the tag `!secret`, `value` is its text;
//! - `map`: `value` is a list of `((name, line, column, end_column), node)`;
//! - `list`: `value` is a list of nodes.
//!
//! An alias is the very node that its anchor names, so that its place is where a person can mend it.

mod tree; // the text as a tree, without Python

use std::collections::HashMap;
use std::panic::catch_unwind;
use std::rc::Rc;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};

use tree::{Fault, Key, Node, Scalar, Value};

/// Parses `text`, one YAML 1.2 document, and returns its tree and what is wrong with it.
///
/// The tree is none when the document is empty, or broken at a place where nothing after it can be told. Keys that
/// stand twice do not break it: the first one stays.
#[pyfunction]
pub(crate) fn parse_yaml<'py>(py: Python<'py>, text: &str) -> PyResult<(Option<Bound<'py, PyAny>>, Vec<Fault>)> {
    // The parser is a stranger's code on a person's file: if it panics, that is one more thing to say about the file.
    let Ok((root, faults)) = catch_unwind(|| tree::read(text)) else {
        let says = "this is not valid YAML, in a way that the parser cannot place";
        return Ok((None, vec![(1, 1, 1, says.to_owned(), String::new())]));
    };
    let mut maker = Maker { py, made: HashMap::new() };
    Ok((root.map(|root| maker.node(&root)).transpose()?, faults))
}

/// Makes Python's objects of nodes, each one once.
struct Maker<'py> {
    py: Python<'py>,
    /// Nodes that stand in several places.
    made: HashMap<*const Node, Bound<'py, PyAny>>,
}

impl<'py> Maker<'py> {
    fn node(&mut self, node: &Rc<Node>) -> PyResult<Bound<'py, PyAny>> {
        let is_shared = Rc::strong_count(node) > 1;
        if let Some(made) = self.made.get(&Rc::as_ptr(node)).filter(|_| is_shared) {
            return Ok(made.clone());
        }
        let py = self.py;
        let none = py.None().into_bound(py);
        let string = |text: &str| PyString::new(py, text).into_any();
        let (kind, value, text) = match &node.value {
            Value::Plain(Scalar::Text, text) => (intern!(py, "plain"), string(text), string(text)),
            Value::Plain(scalar, text) => (intern!(py, "plain"), self.scalar(scalar)?, string(text)),
            Value::Quoted(text) => (intern!(py, "quoted"), string(text), none),
            Value::Secret(text) => (intern!(py, "secret"), string(text), none),
            Value::Map(entries) => (intern!(py, "map"), self.map(entries)?, none),
            Value::List(items) => (intern!(py, "list"), self.list(items)?, none),
        };
        let tuple = (kind, value, node.start.0, node.start.1, node.end.0, node.end.1, text);
        let made = tuple.into_pyobject(py)?.into_any();
        if is_shared {
            self.made.insert(Rc::as_ptr(node), made.clone());
        }
        Ok(made)
    }

    fn scalar(&self, scalar: &Scalar) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        Ok(match scalar {
            Scalar::Null | Scalar::Text => py.None().into_bound(py),
            Scalar::Truth(truth) => truth.into_pyobject(py)?.to_owned().into_any(),
            Scalar::Whole(whole) => whole.into_pyobject(py)?.into_any(),
            Scalar::Real(real) => real.into_pyobject(py)?.into_any(),
        })
    }

    fn map(&mut self, entries: &[(Key, Rc<Node>)]) -> PyResult<Bound<'py, PyAny>> {
        let mut made = Vec::with_capacity(entries.len());
        for (key, node) in entries {
            made.push(((&key.name, key.start.0, key.start.1, key.end_column), self.node(node)?));
        }
        Ok(PyList::new(self.py, made)?.into_any())
    }

    fn list(&mut self, items: &[Rc<Node>]) -> PyResult<Bound<'py, PyAny>> {
        let made = items.iter().map(|node| self.node(node)).collect::<PyResult<Vec<_>>>()?;
        Ok(PyList::new(self.py, made)?.into_any())
    }
}
