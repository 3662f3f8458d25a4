//! Tables of messages, by what becomes of them, and laws that hold of all. Each row has an id that says the behaviour.

mod requests; // heads of requests
mod responses; // heads of answers
mod chunks; // chunked bodies
mod laws; // what holds of any bytes

use super::{BodyLength, ChunkLimits, HeadLimits, HeadReader, Progress, RequestFacts, ResponseFacts};
use super::{judge_request, judge_response};
use crate::failure::Failure;
use crate::head::{Method, RequestHead, ResponseHead};

const LIMITS: HeadLimits = HeadLimits { bytes: 65_536, fields: 128, line: 16_384 };
const CHUNK_LIMITS: ChunkLimits = ChunkLimits { extension: 64, trailer: 256 };

/// Reads and judges a request that comes in pieces of `step` bytes; `None` if it is not whole.
fn request(bytes: &[u8], step: usize, limits: &HeadLimits) -> Result<Option<(RequestHead, RequestFacts)>, Failure> {
    let (mut reader, mut head) = (HeadReader::default(), RequestHead::default());
    for end in ends(bytes.len(), step) {
        if reader.read_request(&bytes[..end], limits, &mut head)? == Progress::Complete {
            let facts = judge_request(bytes, &head)?;
            return Ok(Some((head, facts)));
        }
    }
    Ok(None)
}

/// Reads and judges an answer to `method` that comes in pieces of `step` bytes; `None` if it is not whole.
fn response(
    bytes: &[u8],
    method: Method,
    step: usize,
    limits: &HeadLimits,
) -> Result<Option<(ResponseHead, ResponseFacts)>, Failure> {
    let (mut reader, mut head) = (HeadReader::default(), ResponseHead::default());
    for end in ends(bytes.len(), step) {
        if reader.read_response(&bytes[..end], limits, &mut head)? == Progress::Complete {
            let facts = judge_response(bytes, &head, method)?;
            return Ok(Some((head, facts)));
        }
    }
    Ok(None)
}

fn ends(len: usize, step: usize) -> impl Iterator<Item = usize> {
    (0..len).step_by(step).map(move |start| (start + step).min(len))
}

fn body_sentence(body: BodyLength) -> String {
    match body {
        BodyLength::None => "no body".into(),
        BodyLength::Length(n) => format!("{n} bytes"),
        BodyLength::Chunked => "chunks".into(),
        BodyLength::UntilClose => "until close".into(),
    }
}

/// Whether `sentence` is what a row expects: `kind: part of the reason` for a refusal, the facts otherwise.
fn agrees(sentence: &str, expected: &str) -> bool {
    match (sentence.strip_prefix("refused "), expected.strip_prefix("refused ")) {
        (None, None) => sentence == expected,
        (Some(found), Some(wanted)) => {
            let (kind, part) = wanted.split_once(": ").unwrap_or((wanted, ""));
            found.split(' ').next() == Some(kind) && found.contains(part)
        }
        _ => false,
    }
}
