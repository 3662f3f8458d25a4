//! One message as the core frames it: for tests against other readers, and for whoever wonders why a request is refused.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tidegate_core::failure::Failure;
use tidegate_core::framing::{
    BodyLength, ChunkLimits, ChunkReader, HeadLimits, HeadReader, Piece, Progress, judge_request, judge_response,
};
use tidegate_core::head::{Field, Method, RequestHead, ResponseHead};

/// As a listener has them by default.
const HEAD: HeadLimits = HeadLimits { bytes: 64 * 1024, fields: 128, line: 16 * 1024 };
const CHUNKS: ChunkLimits = ChunkLimits { extension: 4 * 1024, trailer: 8 * 1024 };

type Fields<'py> = Vec<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)>;
/// `(start line, fields, body, trailers, keep_alive, end)`.
type Message<'py, Line> = (Line, Fields<'py>, Bound<'py, PyBytes>, Fields<'py>, bool, usize);
type RequestLine<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>, &'static str);
type StatusLine<'py> = (&'static str, u16, Bound<'py, PyBytes>);

/// Reads one request from the front of `data`, as `((method, target, version), fields, body, trailers, keep_alive, end)`
/// where `end` is how many bytes it has. None where bytes are missing; raises `ValueError` where it is refused.
#[pyfunction]
pub(crate) fn read_request<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Option<Message<'py, RequestLine<'py>>>> {
    let mut head = RequestHead::default();
    if HeadReader::default().read_request(data, &HEAD, &mut head).map_err(refused)? == Progress::Partial {
        return Ok(None);
    }
    let facts = judge_request(data, &head).map_err(refused)?;
    let Some(body) = Body::read(data, head.len, facts.body, ChunkReader::default()).map_err(refused)? else {
        return Ok(None);
    };
    let line = (bytes(py, head.method_span.of(data)), bytes(py, head.target.of(data)), head.version.name());
    Ok(Some((line, fields(py, data, &head.fields), body.data(py), body.trailers(py), facts.keep_alive, body.end)))
}

/// Reads one answer to `method` from the front of `data`, all that the connection brings until it ends, as
/// `((version, status, reason), fields, body, trailers, keep_alive, end)`; else as `read_request`.
#[pyfunction]
pub(crate) fn read_response<'py>(
    py: Python<'py>,
    data: &[u8],
    method: &str,
) -> PyResult<Option<Message<'py, StatusLine<'py>>>> {
    let mut head = ResponseHead::default();
    if HeadReader::default().read_response(data, &HEAD, &mut head).map_err(refused)? == Progress::Partial {
        return Ok(None);
    }
    let asked = if method == "HEAD" { Method::Head } else { Method::Get };
    let facts = judge_response(data, &head, asked).map_err(refused)?;
    let Some(body) = Body::read(data, head.len, facts.body, ChunkReader::of_response()).map_err(refused)? else {
        return Ok(None);
    };
    let line = (head.version.name(), head.status, bytes(py, head.reason.of(data)));
    Ok(Some((line, fields(py, data, &head.fields), body.data(py), body.trailers(py), facts.keep_alive, body.end)))
}

/// A body that is whole, and where in the message's bytes it ends.
struct Body {
    data: Vec<u8>,
    trailers: Vec<u8>,
    end: usize,
}

impl Body {
    fn read(data: &[u8], at: u32, length: BodyLength, mut reader: ChunkReader) -> Result<Option<Self>, Failure> {
        let at = at as usize;
        let rest = data.get(at..).unwrap_or_default();
        let len = match length {
            BodyLength::None => 0,
            BodyLength::UntilClose => rest.len(),
            BodyLength::Length(n) => usize::try_from(n).unwrap_or(usize::MAX),
            BodyLength::Chunked => {
                let mut body = Self { data: Vec::new(), trailers: Vec::new(), end: at };
                loop {
                    let input = data.get(body.end..).unwrap_or_default();
                    let (used, piece) = reader.advance(input, &CHUNKS)?;
                    body.end += used;
                    match piece {
                        Piece::Data { at, len } => {
                            body.data.extend_from_slice(input.get(at..at + len).unwrap_or_default());
                        }
                        Piece::NeedMore => return Ok(None),
                        Piece::End => {
                            body.trailers.extend_from_slice(reader.trailers());
                            return Ok(Some(body));
                        }
                    }
                }
            }
        };
        Ok(rest.get(..len).map(|body| Self { data: body.to_vec(), trailers: Vec::new(), end: at + len }))
    }

    fn data<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, &self.data)
    }

    fn trailers<'py>(&self, py: Python<'py>) -> Fields<'py> {
        let lines = self.trailers.split(|&byte| byte == b'\n').filter_map(|line| line.strip_suffix(b"\r"));
        let parts = lines.filter_map(|line| line.split_at_checked(line.iter().position(|&byte| byte == b':')?));
        parts.map(|(name, value)| (bytes(py, name), bytes(py, value.get(2..).unwrap_or_default()))).collect()
    }
}

fn fields<'py>(py: Python<'py>, data: &[u8], fields: &[Field]) -> Fields<'py> {
    fields.iter().map(|field| (bytes(py, field.name.of(data)), bytes(py, field.value.of(data)))).collect()
}

fn bytes<'py>(py: Python<'py>, data: &[u8]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, data)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn refused(failure: Failure) -> PyErr {
    PyValueError::new_err(failure.to_string())
}
