//! The worker's whole life: it is entered once, and Python's lock is never taken again.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use tidegate_engine::control::{self, Machine};
use tidegate_engine::threads::machine::Engine;

/// Serves supervisors on the listening Unix socket `fd`, which it owns from now on, until a drain has ended.
/// Raises `OSError` where the control socket or the threads cannot be had.
#[pyfunction]
pub(crate) fn work(py: Python<'_>, fd: RawFd) -> PyResult<()> {
    // SAFETY: the supervisor made `fd` for this process and names it in this one call, so that nobody else closes it.
    let listening = unsafe { OwnedFd::from_raw_fd(fd) };
    py.detach(|| {
        let engine = Engine::start()?;
        let machine: Arc<dyn Machine> = engine.clone();
        control::serve(listening, &machine)?;
        engine.flush();
        Ok(())
    })
    .map_err(|error: std::io::Error| PyOSError::new_err(error.to_string()))
}
