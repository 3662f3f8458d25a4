//! What becomes of a request, a connection or a datagram under a snapshot, told by the road itself.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tidegate_core::explain::Begins;
use tidegate_core::snapshot::compiled::Compiled;

use crate::decode::read_fresh;

/// Says as JSON what becomes of the request with this head, from an address (none: of a Unix socket), on the listener at
/// this index. `sets` has what each set holds, by digest, and `databases` the files that tell where clients are. Raises `ValueError` where the snapshot is refused.
#[pyfunction]
pub(crate) fn explain(
    document: &str,
    sets: HashMap<String, String>,
    databases: HashMap<String, Vec<u8>>,
    listener: usize,
    client: Option<&str>,
    head: &[u8],
) -> PyResult<String> {
    let compiled = compile(document, sets, databases)?;
    let from = client.map(|client| client.parse::<IpAddr>().map_err(refused)).transpose()?;
    let from = from.map(|address| SocketAddr::new(address, 50_000));
    let told = tidegate_core::explain::explain(compiled, listener, from, head);
    serde_json::to_string(&told).map_err(refused)
}

/// Says as JSON what becomes of a connection, or of a session's first datagram, from one address to another (none: of a
/// Unix socket) on the listener at this index. `hello` is what its ClientHello asks for, as JSON. Raises `ValueError` where
/// the snapshot is refused.
#[pyfunction]
pub(crate) fn explain_layer4(
    document: &str,
    sets: HashMap<String, String>,
    databases: HashMap<String, Vec<u8>>,
    listener: usize,
    client: Option<&str>,
    local: Option<&str>,
    hello: Option<&str>,
) -> PyResult<String> {
    let address = |text: Option<&str>| text.map(|text| text.parse::<SocketAddr>().map_err(refused)).transpose();
    let hello = hello.map(serde_json::from_str).transpose().map_err(refused)?;
    let begins = Begins { client: address(client)?, local: address(local)?, hello };
    let told = tidegate_core::explain::explain_layer4(compile(document, sets, databases)?, listener, &begins);
    serde_json::to_string(&told).map_err(refused)
}

fn compile(document: &str, sets: HashMap<String, String>, databases: HashMap<String, Vec<u8>>) -> PyResult<Compiled> {
    let document = serde_json::from_str(document).map_err(refused)?;
    let fresh = read_fresh(sets, databases).map_err(refused)?;
    Compiled::build_with(document, None, &fresh).map_err(|problems| refused(problems.join("; ")))
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn refused(says: impl ToString) -> PyErr {
    PyValueError::new_err(says.to_string())
}
