//! An answer that nobody reads: read to its end, so that its connection may carry another request.

use std::time::Duration;

use crate::failure::Failure;
use crate::framing::{ChunkLimits, HeadLimits, HeadReader, Progress, ResponseFacts, judge_response};
use crate::head::{Method, ResponseHead};
use crate::lane::body::{Appetite, Body, Out};
use crate::lane::buffer::Buffer;
use crate::lane::download;

const LIMITS: HeadLimits = HeadLimits { bytes: 64 * 1024, fields: 256, line: 16 * 1024 };
const CHUNKS: ChunkLimits = ChunkLimits { extension: 4096, trailer: 8192 };

/// Of a longer body no more is read: a new connection is cheaper.
const MOST_READ: u64 = 1024 * 1024;

/// How far an answer has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Came {
    /// More of it is to be read.
    Part,
    /// As much as is of use. `keep`: all of it, and its connection may carry another request, unless it was idle for so
    /// long; zero is as the pool has it.
    Enough {
        /// See above.
        keep: Option<Duration>,
    },
}

/// An answer that nobody reads.
pub struct Discard {
    method: Method,
    reader: HeadReader,
    head: ResponseHead,
    facts: Option<ResponseFacts>,
    body: Body,
}

impl Discard {
    /// The answer to a request with this method.
    pub fn to(method: Method) -> Self {
        Self {
            method,
            reader: HeadReader::default(),
            head: ResponseHead::default(),
            facts: None,
            body: Body::default(),
        }
    }

    /// The status; 0 until its head is whole.
    pub fn status(&self) -> u16 {
        if self.facts.is_some() { self.head.status } else { 0 }
    }

    /// Takes what has come. Fails on what is no answer.
    pub fn take(&mut self, came: &mut Buffer) -> Result<Came, Failure> {
        if self.facts.is_none() && !self.take_head(came)? {
            return Ok(Came::Part);
        }
        while !came.is_empty() && !self.body.is_done() {
            let mut nowhere = Out::default();
            let left = came.len();
            self.body.advance(came, &mut nowhere, &CHUNKS, Appetite::gather(usize::MAX))?;
            if came.len() == left {
                break;
            }
        }
        let keeps = |facts: &ResponseFacts| facts.keep_alive && !facts.logs_connection_in && came.is_empty();
        Ok(if self.body.is_done() {
            let idle = |facts: &ResponseFacts| facts.idle_timeout.unwrap_or(Duration::ZERO);
            Came::Enough { keep: self.facts.as_ref().filter(|facts| keeps(facts)).map(idle) }
        } else if self.body.taken() > MOST_READ {
            Came::Enough { keep: None }
        } else {
            Came::Part
        })
    }

    /// The connection has ended: whether that was the end of the answer.
    pub fn ends_well(&self) -> bool {
        self.facts.is_some() && self.body.ends_with_connection()
    }

    /// Reads heads until the final one; says whether it is whole.
    fn take_head(&mut self, came: &mut Buffer) -> Result<bool, Failure> {
        loop {
            let bytes = came.filled();
            if self.reader.read_response(bytes, &LIMITS, &mut self.head)? == Progress::Partial {
                return Ok(false);
            }
            let facts = judge_response(bytes, &self.head, self.method)?;
            came.consume(self.head.len as usize);
            self.reader.reset();
            if !facts.is_informational {
                self.body = download(&facts.body, false);
                self.facts = Some(facts);
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::buffer::Shelf;

    fn read(method: Method, answer: &[u8], at_once: usize) -> Result<Came, String> {
        let (mut discard, mut buffer) = (Discard::to(method), Shelf::new().take(crate::lane::buffer::SMALL));
        let mut last = Came::Part;
        for piece in answer.chunks(at_once) {
            if last != Came::Part {
                return Err("bytes behind the end".into());
            }
            buffer.compact();
            buffer.room()[..piece.len()].copy_from_slice(piece);
            buffer.fill(piece.len());
            last = discard.take(&mut buffer).map_err(|failure| failure.reason)?;
        }
        Ok(last)
    }

    #[test]
    fn an_answer_is_read_to_its_end_however_it_comes() {
        let kept = Came::Enough { keep: Some(Duration::ZERO) };
        for (method, answer, came) in [
            (Method::Get, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", kept),
            (Method::Get, "HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", kept),
            (Method::Head, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", kept),
            (Method::Get, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", kept),
            (
                Method::Get,
                "HTTP/1.1 200 OK\r\nkeep-alive: timeout=3\r\ncontent-length: 0\r\n\r\n",
                Came::Enough { keep: Some(Duration::from_secs(3)) },
            ),
            (
                Method::Get,
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx",
                Came::Enough { keep: None },
            ),
            (Method::Get, "HTTP/1.1 200 OK\r\n\r\nuntil it ends", Came::Part),
        ] {
            for at_once in [1, 7, answer.len()] {
                assert_eq!(read(method, answer.as_bytes(), at_once), Ok(came), "{answer:?} by {at_once}");
            }
        }
        let behind = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP";
        assert_eq!(read(Method::Get, behind, behind.len()), Ok(Came::Enough { keep: None }));
    }

    #[test]
    fn a_long_body_is_not_read_to_its_end() {
        let mut answer = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n".to_vec();
        answer.resize(answer.len() + 1_100_000, b'x');
        assert_eq!(read(Method::Get, &answer[..1_048_000], 10_000), Ok(Came::Part));
        let mut discard = Discard::to(Method::Get);
        let mut buffer = Shelf::new().take(2_000_000);
        buffer.room()[..answer.len()].copy_from_slice(&answer);
        buffer.fill(answer.len());
        assert_eq!(discard.take(&mut buffer).unwrap(), Came::Enough { keep: None });
    }

    #[test]
    fn what_is_no_answer_fails() {
        assert!(read(Method::Get, b"+PONG\r\n", 7).is_err());
        let mut discard = Discard::to(Method::Get);
        assert!(!discard.ends_well());
        let mut buffer = Shelf::new().take(100);
        let answer = b"HTTP/1.1 200 OK\r\n\r\nx";
        buffer.room()[..answer.len()].copy_from_slice(answer);
        buffer.fill(answer.len());
        assert_eq!(
            (discard.take(&mut buffer).unwrap(), discard.ends_well(), discard.status()),
            (Came::Part, true, 200)
        );
    }
}
