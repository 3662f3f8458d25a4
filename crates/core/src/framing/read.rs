//! From bytes to heads, line by line: each byte is looked at a bounded number of times, however it dribbles in.
//!
//! A line is read at once when it comes. Where its end is missing, only the bytes that come later are searched for it,
//! and the line is read again when it is there. A bare CR or another control ends a line badly, and is not waited behind
//! for an LF. A flaw counts only when its line has ended, or is too long: so what is said about a message does not depend
//! on how it was split.
use super::bytes::{find_line_end, is_token_byte, position};
use super::flaw::{Flaw, Side};
use super::line::{Line, Read, field_line, request_line, status_line};
use crate::failure::{Failure, Kind};
use crate::head::{Field, RequestHead, ResponseHead};

/// Bounds on a head; `u32::MAX` is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadLimits {
    /// Bytes of the head, its closing empty line included.
    pub bytes: u32,
    /// Field lines.
    pub fields: u32,
    /// Bytes of the first line, its CR LF apart.
    pub line: u32,
}

/// How far a head is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// More bytes are needed.
    Partial,
    /// It is whole; `head.len` tells where the body begins.
    Complete,
}

/// Where reading stopped for want of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HeadReader {
    /// Where the line begins that is not whole.
    line: usize,
    /// Up to here it holds no end.
    seen: usize,
    part: Part,
}

/// Which part of the head the line belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Part {
    /// The first line, or the one empty line that may stand before a request.
    #[default]
    First,
    /// Fields.
    Fields,
    /// The head was whole.
    Whole,
}

/// How far a line may reach, and what it is called when it reaches further.
#[derive(Clone, Copy)]
struct Bound {
    end: usize,
    kind: Kind,
}

impl HeadReader {
    /// Makes it ready for the next head.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// How many bytes the whole lines have that were read, the first line among them; 0 before that was.
    pub fn lines(&self) -> usize {
        if self.part == Part::First { 0 } else { self.line }
    }

    /// Whether there is nothing yet but the empty line that may stand before a request: nobody has begun one.
    pub fn is_before_request(&self, bytes: &[u8]) -> bool {
        self.part == Part::First && matches!(bytes, b"" | b"\r" | b"\r\n")
    }

    /// Reads on in a request's head. `bytes` holds all of it that has come, from its first byte. Old clients send an
    /// empty line after a body; RFC 9112, section 2.2 has servers ignore it: one is ignored, and part of the head.
    pub fn read_request(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
        head: &mut RequestHead,
    ) -> Result<Progress, Failure> {
        if self.part == Part::First {
            head.fields.clear();
            if self.line == 0 && bytes.first() == Some(&b'\r') {
                match bytes.get(1) {
                    None => return Ok(Progress::Partial),
                    Some(b'\n') => (self.line, self.seen) = (2, 2),
                    Some(_) => return Err(wrong_start(Side::Request, bytes, 0)),
                }
            }
            if bytes.get(self.line).is_some_and(|&byte| !is_token_byte(byte)) {
                return Err(wrong_start(Side::Request, bytes, self.line));
            }
            let bound = Bound::first_line(self.line, limits);
            let line = self.next(bytes, bound, Side::Request, |bytes, start| request_line(bytes, start, head))?;
            if line.is_none() {
                return Ok(Progress::Partial);
            }
            self.part = Part::Fields;
        }
        self.read_fields(bytes, limits, Side::Request, &mut head.fields, &mut head.len)
    }

    /// Reads on in an answer's head. `bytes` holds all of it that has come, from its first byte.
    pub fn read_response(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
        head: &mut ResponseHead,
    ) -> Result<Progress, Failure> {
        if self.part == Part::First {
            head.fields.clear();
            if bytes.first().is_some_and(|&byte| byte != b'H') {
                return Err(wrong_start(Side::Response, bytes, 0));
            }
            let bound = Bound::first_line(0, limits);
            let line = self.next(bytes, bound, Side::Response, |bytes, start| status_line(bytes, start, head))?;
            if line.is_none() {
                return Ok(Progress::Partial);
            }
            self.part = Part::Fields;
        }
        self.read_fields(bytes, limits, Side::Response, &mut head.fields, &mut head.len)
    }

    #[inline(always)]
    fn read_fields(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
        side: Side,
        fields: &mut Vec<Field>,
        len: &mut u32,
    ) -> Result<Progress, Failure> {
        let bound = Bound { end: limits.bytes as usize, kind: Kind::HeadTooLarge };
        while self.part == Part::Fields {
            match self.next(bytes, bound, side, field_line)? {
                None => return Ok(Progress::Partial),
                Some(Line::Empty) => self.part = Part::Whole,
                Some(Line::Field(_)) if fields.len() >= limits.fields as usize => {
                    return Err(side.fail(Kind::TooManyHeaders, format!("more than {} fields", limits.fields)));
                }
                Some(Line::Field(field)) => fields.push(field),
            }
        }
        *len = position(self.line);
        Ok(Progress::Complete)
    }

    /// The next line, if it is whole.
    #[inline(always)]
    fn next<T>(
        &mut self,
        bytes: &[u8],
        bound: Bound,
        side: Side,
        read: impl FnOnce(&[u8], usize) -> Read<T>,
    ) -> Result<Option<T>, Failure> {
        // The last byte that was seen may be a CR.
        if self.seen > self.line && find_line_end(bytes, self.seen - 1).is_none() {
            return self.wait(bytes, bound, side);
        }
        match read(bytes, self.line) {
            Ok(Some((line, next))) if next <= bound.end => {
                self.line = next;
                Ok(Some(line))
            }
            Ok(Some(_)) => Err(bound.exceeded(side)),
            Ok(None) => self.wait(bytes, bound, side),
            Err(flaw) => self.refuse(flaw, bytes, bound, side),
        }
    }

    /// The line goes on: remembers how far its end was looked for.
    fn wait<T>(&mut self, bytes: &[u8], bound: Bound, side: Side) -> Result<Option<T>, Failure> {
        if bytes.len() >= bound.end {
            return Err(bound.exceeded(side));
        }
        self.seen = bytes.len();
        Ok(None)
    }

    #[cold]
    fn refuse<T>(&mut self, flaw: Flaw, bytes: &[u8], bound: Bound, side: Side) -> Result<Option<T>, Failure> {
        match find_line_end(bytes, self.line) {
            None => self.wait(bytes, bound, side),
            Some(at) if at >= bound.end => Err(bound.exceeded(side)),
            Some(_) => Err(flaw.tell(side, bytes)),
        }
    }
}

impl Bound {
    /// For the first line, which begins at `start`: its own bound or the whole head's, whichever comes first.
    fn first_line(start: usize, limits: &HeadLimits) -> Self {
        let (line, head) = (start.saturating_add(limits.line as usize).saturating_add(2), limits.bytes as usize);
        if line <= head {
            Self { end: line, kind: Kind::RequestLineTooLong }
        } else {
            Self { end: head, kind: Kind::HeadTooLarge }
        }
    }

    #[cold]
    fn exceeded(self, side: Side) -> Failure {
        let what = if self.kind == Kind::HeadTooLarge { "the head" } else { "the first line" };
        side.fail(self.kind, format!("{what} does not end within {} bytes", self.end))
    }
}

/// The first byte cannot be a message's: nobody needs to wait for the end of such a line.
#[cold]
fn wrong_start(side: Side, bytes: &[u8], at: usize) -> Failure {
    let what = match (side, bytes.get(at)) {
        (Side::Request, Some(b'\r')) if at > 0 => "more than one empty line before the request",
        (Side::Request, Some(b' ' | b'\t')) => "white space before the method",
        (_, Some(b'\n')) => "an LF without a CR before it",
        (_, Some(b'\r')) => "a CR where the message should begin",
        (Side::Request, _) => "no method can begin with this byte",
        (Side::Response, _) => "no status line begins with this byte",
    };
    Flaw::byte(Kind::MalformedRequest, at, what).tell(side, bytes)
}
