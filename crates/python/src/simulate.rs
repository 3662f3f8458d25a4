//! What clients of an upstream would wait, by the balancers that serve.

use std::sync::Arc;
use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tidegate_core::simulate::{Arrivals, Work, simulate as play};
use tidegate_core::snapshot::compiled::Compiled;

/// Plays requests on the upstream at `index` of a snapshot document without sets: `work` has workers and seconds of
/// service of each endpoint. Gives the endpoint and the seconds of each. Raises `ValueError` where the core refuses it.
#[pyfunction]
#[pyo3(signature = (document, index, work, *, rate, requests, keys, threads, seed))]
#[expect(clippy::too_many_arguments, reason = "named ones, as Python has them")]
pub(crate) fn simulate(
    py: Python<'_>,
    document: &str,
    index: usize,
    work: Vec<(u32, f64)>,
    rate: f64,
    requests: u64,
    keys: usize,
    threads: usize,
    seed: u64,
) -> PyResult<(Vec<u32>, Vec<f64>)> {
    let document = serde_json::from_str(document).map_err(|says| PyValueError::new_err(says.to_string()))?;
    let compiled = Compiled::build(document, None).map_err(|says| PyValueError::new_err(says.join("; ")))?;
    let read = |(workers, seconds): &(u32, f64)| {
        let service = Duration::try_from_secs_f64(*seconds).map_err(|says| PyValueError::new_err(says.to_string()))?;
        Ok(Work { workers: *workers, service })
    };
    let work: Vec<Work> = work.iter().map(read).collect::<PyResult<_>>()?;
    let arrivals = Arrivals { rate, requests, keys, threads };
    let served = py.detach(|| play(Arc::new(compiled), index, &work, arrivals, seed));
    Ok(served.iter().map(|one| (one.endpoint, one.took.as_secs_f64())).unzip())
}
