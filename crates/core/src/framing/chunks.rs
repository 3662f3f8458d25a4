//! Chunked bodies and their trailers (RFC 9112, section 7.1), read strictly: hexadecimal digits and nothing around them,
//! CR LF at every end, and no trailer that frames, routes or identifies.

use memchr::memchr;

use super::bytes::{TOKEN, find_control};
use super::head_reader::{HeadLimits, push_field};
use super::{malformed, of_response, refuse, shown};
use crate::failure::{Failure, Kind};
use crate::head::Known;

/// Bounds on what stands around the data; `u32::MAX` is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkLimits {
    /// Bytes of one chunk's extensions.
    pub extension: u32,
    /// Bytes of all trailers.
    pub trailer: u32,
}

/// What stands at the front of the input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece {
    /// Data, `len` bytes from `at`.
    Data {
        /// Where it begins.
        at: usize,
        /// How many bytes.
        len: usize,
    },
    /// Nothing yet that means anything.
    NeedMore,
    /// The body is over.
    End,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    #[default]
    Size,
    Data(u64),
    DataEnd,
    Trailers,
    Done,
}

/// Reads a chunked body.
#[derive(Debug, Default)]
pub struct ChunkReader {
    state: State,
    trailers: Vec<u8>,
    trailer_bytes: usize,
    answers: bool,
}

/// Most bytes of a line with a chunk's size, extensions apart: 16 digits and a line end.
const SIZE_LINE: usize = 18;

impl ChunkReader {
    /// A reader whose failures are those of an answer (502), not of a request.
    pub fn of_response() -> Self {
        Self { answers: true, ..Self::default() }
    }

    /// The trailers as whole lines, empty if there are none.
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// How many bytes of the current chunk are yet to come.
    pub fn remaining_in_chunk(&self) -> u64 {
        if let State::Data(left) = self.state { left } else { 0 }
    }

    /// Looks at `input` from its first byte: how much of it is used up, and what the piece is.
    pub fn advance(&mut self, input: &[u8], limits: &ChunkLimits) -> Result<(usize, Piece), Failure> {
        self.read_on(input, limits).map_err(|failure| if self.answers { of_response(failure) } else { failure })
    }

    fn read_on(&mut self, input: &[u8], limits: &ChunkLimits) -> Result<(usize, Piece), Failure> {
        let mut used = 0;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            match self.state {
                State::Size => match read_size(rest, limits)? {
                    None => return Ok((used, Piece::NeedMore)),
                    Some((line, size)) => {
                        used += line;
                        self.state = if size == 0 { State::Trailers } else { State::Data(size) };
                    }
                },
                State::Data(left) => {
                    if rest.is_empty() {
                        return Ok((used, Piece::NeedMore));
                    }
                    let len = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    let left = left - len as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                    return Ok((used + len, Piece::Data { at: used, len }));
                }
                State::DataEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        used += 2;
                        self.state = State::Size;
                    }
                    [] | [b'\r'] => return Ok((used, Piece::NeedMore)),
                    _ => return Err(malformed(format!("{} behind a chunk's data", shown(rest)))),
                },
                State::Trailers => match self.read_trailer(rest, limits)? {
                    None => return Ok((used, Piece::NeedMore)),
                    Some(line) => used += line,
                },
                State::Done => return Ok((used, Piece::End)),
            }
        }
    }

    /// Reads a line of the trailer section; says how long it was, or that it is not whole.
    fn read_trailer(&mut self, rest: &[u8], limits: &ChunkLimits) -> Result<Option<usize>, Failure> {
        let line_len = memchr(b'\n', rest).map(|feed| feed + 1);
        if self.trailer_bytes + line_len.unwrap_or(rest.len()) > limits.trailer as usize {
            let reason = format!("the trailers have over {} bytes, limits.trailer_bytes", limits.trailer);
            return Err(refuse(Kind::TrailersTooLarge, reason));
        }
        let Some(len) = line_len else { return Ok(None) };
        let whole = rest.get(..len).unwrap_or_default();
        let Some(line) = whole.strip_suffix(b"\r\n") else {
            return Err(malformed("a bare line feed in the trailers"));
        };
        if line.is_empty() {
            self.state = State::Done;
            return Ok(Some(len));
        }
        self.trailer_bytes += len;
        check_trailer(line)?;
        self.trailers.extend_from_slice(whole);
        Ok(Some(len))
    }
}

/// A trailer may not be a field that someone acts on before the body (RFC 9110, section 6.5.1).
fn check_trailer(line: &[u8]) -> Result<(), Failure> {
    let limits = HeadLimits { bytes: u32::MAX, fields: u32::MAX, line: u32::MAX };
    let mut fields = Vec::with_capacity(1);
    push_field(line, 0, &limits, &mut fields)?;
    let name = fields.first().map_or(&[][..], |field| field.name.of(line));
    let underscored = name.contains(&b'_');
    let harmless = matches!(Known::of(name), Known::Other | Known::Date | Known::Server | Known::UserAgent);
    let sensitive = [&b"set-cookie"[..], b"cache-control", b"content-encoding", b"content-range", b"content-location"];
    if !harmless || underscored || sensitive.iter().any(|field| name.eq_ignore_ascii_case(field)) {
        return Err(refuse(Kind::InvalidTrailer, format!("the trailers hold {}", shown(name))));
    }
    Ok(())
}

/// The line with a chunk's size: how long it is and what it says; `None` if it is not whole.
fn read_size(rest: &[u8], limits: &ChunkLimits) -> Result<Option<(usize, u64)>, Failure> {
    let digits = rest.iter().take(17).take_while(|byte| byte.is_ascii_hexdigit()).count();
    if digits > 16 {
        return Err(malformed(format!("a chunk's size has over 16 digits: {}", shown(rest))));
    }
    let after = rest.get(digits..).unwrap_or_default();
    if after.is_empty() {
        return Ok(None);
    }
    if digits == 0 {
        return Err(malformed(format!("no chunk's size: {}", shown(rest))));
    }
    let mut size = 0u64;
    for digit in rest.get(..digits).unwrap_or_default() {
        size = size << 4 | u64::from(char::from(*digit).to_digit(16).unwrap_or(0));
    }
    if size > u64::MAX / 2 {
        return Err(malformed("a chunk's size that overflows"));
    }
    let Some(feed) = memchr(b'\n', after) else {
        if after.len() > (limits.extension as usize).saturating_add(SIZE_LINE) {
            return Err(too_long(limits));
        }
        return match after {
            [b'\r' | b';', ..] => Ok(None),
            _ => Err(malformed(format!("a chunk's size is {}", shown(rest)))),
        };
    };
    let Some(extension) = after.get(..feed).and_then(|line| line.strip_suffix(b"\r")) else {
        return Err(malformed("a bare line feed behind a chunk's size"));
    };
    if extension.len() > limits.extension as usize {
        return Err(too_long(limits));
    }
    check_extension(extension)?;
    Ok(Some((digits + feed + 1, size)))
}

fn too_long(limits: &ChunkLimits) -> Failure {
    let reason = format!("a chunk's extensions have over {} bytes, limits.chunk_extension_bytes", limits.extension);
    refuse(Kind::ChunkExtensionTooLong, reason)
}

/// `;name[=value]` again and again, values as tokens or quoted; they end here and are not passed on.
fn check_extension(mut rest: &[u8]) -> Result<(), Failure> {
    let bad = |rest: &[u8]| malformed(format!("a chunk's extension is {}", shown(rest)));
    if find_control(rest).is_some() {
        return Err(bad(rest));
    }
    let whole = rest;
    while let Some(after) = rest.strip_prefix(b";") {
        let name = after.iter().take_while(|byte| TOKEN[**byte as usize]).count();
        rest = after.get(name..).unwrap_or_default();
        if name == 0 {
            return Err(bad(whole));
        }
        let Some(value) = rest.strip_prefix(b"=") else { continue };
        let len = match value.strip_prefix(b"\"") {
            Some(quoted) => quoted_len(quoted).ok_or_else(|| bad(whole))? + 1,
            None => value.iter().take_while(|byte| TOKEN[**byte as usize]).count(),
        };
        if len == 0 {
            return Err(bad(whole));
        }
        rest = value.get(len..).unwrap_or_default();
    }
    if rest.is_empty() { Ok(()) } else { Err(bad(whole)) }
}

/// Length of a quoted string behind its opening quote, the closing one included.
fn quoted_len(quoted: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match quoted.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}
