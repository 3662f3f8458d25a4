//! A chunked body, piece by piece (RFC 9112, section 7.1). Size lines are read byte by byte, since they are short; the
//! data is stepped over, never looked at.

use super::bytes::{find_line_end, is_blank, is_token_byte};
use super::flaw::{Flaw, Side};
use super::line::{Line, field_line};
use super::trailer;
use crate::failure::{Failure, Kind};

/// Most digits of a chunk's size, leading zeros included.
const MOST_DIGITS: u8 = 16;

/// Bounds on what surrounds the data; `u32::MAX` is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkLimits {
    /// Bytes of one chunk's extensions; also how far all extensions together may outweigh the data that came before.
    pub extension: u32,
    /// Bytes of all trailers.
    pub trailer: u32,
}

/// What comes next in a chunked body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece {
    /// `len` bytes of data that begin at `at` of the input.
    Data {
        /// Where they begin.
        at: usize,
        /// How many; never 0.
        len: usize,
    },
    /// The input is used up.
    NeedMore,
    /// The body is whole; its trailers are in [`ChunkReader::trailers`].
    End,
}

/// What the next byte is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum At {
    /// The first digit of a size.
    #[default]
    Size,
    /// A further digit, or what follows the size.
    MoreSize,
    /// After a blank: only another or `;` may come.
    BeforeSemicolon,
    /// After `;`.
    NameStart,
    /// Within an extension's name.
    Name,
    /// After a blank behind a name: only another, `=` or `;` may come.
    AfterName,
    /// After `=`.
    ValueStart,
    /// Within a value that is a token.
    Token,
    /// Within a quoted string.
    Quoted,
    /// After a backslash in a quoted string.
    Escaped,
    /// After the closing quote.
    AfterQuoted,
    /// The LF of a size line.
    SizeLf,
    /// Data.
    Data,
    /// The CR after data.
    DataCr,
    /// The LF after data.
    DataLf,
    /// The first byte of a trailer line.
    Trailer,
    /// Within a trailer line.
    MoreTrailer,
    /// The LF of the empty line that ends it all.
    LastLf,
    /// Nothing more: the body is whole.
    Whole,
}

/// Walks a chunked body.
#[derive(Clone, Debug, Default)]
pub struct ChunkReader {
    side: Side,
    at: At,
    digits: u8,
    /// Bytes of the current chunk's extensions.
    extension: u32,
    /// Of the current chunk: its size while that is read, then what is left of it.
    left: u64,
    /// Bytes of the body, framing included, that came before.
    offset: u64,
    /// Bytes of all extensions.
    extensions: u64,
    /// Bytes of data.
    data: u64,
    /// Bytes of all trailers as they came.
    trailer_bytes: u64,
    /// Trailer lines; the last one may not be whole.
    trailers: Vec<u8>,
    /// Where the last line of `trailers` begins.
    line: usize,
}

impl ChunkReader {
    /// A reader whose failures are those of an answer (502), not of a request.
    pub fn of_response() -> Self {
        Self { side: Side::Response, ..Self::default() }
    }

    /// How many bytes of data of the current chunk are still to come.
    pub fn remaining_in_chunk(&self) -> u64 {
        if self.at == At::Data { self.left } else { 0 }
    }

    /// The trailers once the body is whole, each line as `name: value` with its CR LF; empty if there are none.
    pub fn trailers(&self) -> &[u8] {
        self.trailers.get(..self.line).unwrap_or_default()
    }

    /// Looks at `input`, says how many of its bytes are used up (for data: through its end) and what they are.
    pub fn advance(&mut self, input: &[u8], limits: &ChunkLimits) -> Result<(usize, Piece), Failure> {
        let mut used = 0;
        loop {
            if self.at == At::Data {
                return Ok(self.take_data(input, used));
            }
            if self.at == At::Whole {
                return Ok((self.count(used), Piece::End));
            }
            let Some(&byte) = input.get(used) else { return Ok((self.count(used), Piece::NeedMore)) };
            if matches!(self.at, At::Trailer | At::MoreTrailer) {
                used += self.take_trailer(input.get(used..).unwrap_or_default(), byte, used, limits)?;
                continue;
            }
            match self.step(byte, limits) {
                Ok(next) => self.at = next,
                Err((kind, what)) => return Err(self.side.refuse(kind, self.offset + used as u64, what, &[byte])),
            }
            used += 1;
        }
    }

    fn count(&mut self, used: usize) -> usize {
        self.offset += used as u64;
        used
    }

    fn take_data(&mut self, input: &[u8], at: usize) -> (usize, Piece) {
        let here = input.len().saturating_sub(at);
        let len = usize::try_from(self.left).unwrap_or(usize::MAX).min(here);
        if len == 0 {
            return (self.count(at), Piece::NeedMore);
        }
        self.left -= len as u64;
        self.data += len as u64;
        if self.left == 0 {
            self.at = At::DataCr;
        }
        (self.count(at + len), Piece::Data { at, len })
    }

    /// Takes one byte of what surrounds the data; says what comes next.
    fn step(&mut self, byte: u8, limits: &ChunkLimits) -> Result<At, (Kind, &'static str)> {
        let next = match (self.at, byte) {
            (At::Size | At::MoreSize, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => return self.add_digit(byte),
            (At::MoreSize | At::Name | At::Token | At::AfterQuoted, b'\r') => At::SizeLf,
            (At::MoreSize | At::BeforeSemicolon | At::Name | At::AfterName | At::Token | At::AfterQuoted, b';') => {
                At::NameStart
            }
            (At::MoreSize | At::BeforeSemicolon | At::Token | At::AfterQuoted, b' ' | b'\t') => At::BeforeSemicolon,
            (At::NameStart, b' ' | b'\t') => At::NameStart,
            (At::Name | At::AfterName, b' ' | b'\t') => At::AfterName,
            (At::Name | At::AfterName, b'=') => At::ValueStart,
            (At::NameStart | At::Name, byte) if is_token_byte(byte) => At::Name,
            (At::ValueStart, b' ' | b'\t') => At::ValueStart,
            (At::ValueStart, b'"') => At::Quoted,
            (At::ValueStart | At::Token, byte) if is_token_byte(byte) => At::Token,
            (At::Quoted, b'"') => At::AfterQuoted,
            (At::Quoted, b'\\') => At::Escaped,
            (At::Quoted | At::Escaped, byte) if is_blank(byte) || (byte > 0x20 && byte != 0x7f) => At::Quoted,
            (At::SizeLf, b'\n') => return Ok(self.after_size()),
            (At::DataCr, b'\r') => return Ok(At::DataLf),
            (At::DataLf, b'\n') => return Ok(At::Size),
            (At::LastLf, b'\n') => return Ok(At::Whole),
            (at, _) => return Err((Kind::AmbiguousFraming, at.refuses())),
        };
        if next != At::SizeLf {
            self.extension = self.extension.saturating_add(1);
            self.extensions += 1;
            if self.extension > limits.extension {
                return Err((Kind::ChunkExtensionTooLong, "a chunk extension longer than its limit"));
            }
            if self.extensions > self.data.saturating_add(limits.extension.into()) {
                return Err((Kind::ChunkExtensionTooLong, "chunk extensions that outweigh the data"));
            }
        }
        Ok(next)
    }

    fn add_digit(&mut self, byte: u8) -> Result<At, (Kind, &'static str)> {
        if self.at == At::Size {
            (self.left, self.digits, self.extension) = (0, 0, 0);
        }
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            _ => (byte | 0x20) - b'a' + 10,
        };
        self.digits += 1;
        // The highest bit stays free: some readers keep the size in a signed number.
        if self.digits > MOST_DIGITS || self.left > (i64::MAX as u64) >> 4 {
            return Err((Kind::AmbiguousFraming, "a chunk size that is too large"));
        }
        self.left = self.left << 4 | u64::from(digit);
        Ok(At::MoreSize)
    }

    fn after_size(&self) -> At {
        if self.left == 0 { At::Trailer } else { At::Data }
    }

    /// Takes bytes of a trailer line, or the CR that ends them all; says how many.
    fn take_trailer(&mut self, input: &[u8], byte: u8, used: usize, limits: &ChunkLimits) -> Result<usize, Failure> {
        if self.at == At::Trailer && byte == b'\r' {
            self.at = At::LastLf;
            return Ok(1);
        }
        let is_after_cr = self.at == At::MoreTrailer && self.trailers.last() == Some(&b'\r');
        let end = if is_after_cr { Some(1) } else { find_line_end(input, 0).map(|at| at + 1) };
        let taken = input.get(..end.unwrap_or(input.len())).unwrap_or_default();
        self.trailer_bytes += taken.len() as u64;
        // A line that is not whole has at least one more byte.
        if self.trailer_bytes + u64::from(end.is_none()) > limits.trailer.into() {
            let reason = format!("the trailers do not end within {} bytes", limits.trailer);
            return Err(self.side.fail(Kind::TrailersTooLarge, reason));
        }
        self.trailers.extend_from_slice(taken);
        self.at = At::MoreTrailer;
        if end.is_some() {
            let begins =
                (self.offset + (used + taken.len()) as u64).saturating_sub((self.trailers.len() - self.line) as u64);
            self.close_trailer(begins)?;
            self.at = At::Trailer;
        }
        Ok(taken.len())
    }

    /// Checks the last line, whose end is known and which began at `begins` of the body, and writes it anew.
    fn close_trailer(&mut self, begins: u64) -> Result<(), Failure> {
        let line = self.trailers.split_off(self.line);
        let refuse = |flaw: Flaw| {
            let found = line.get(flaw.at..).unwrap_or_default();
            self.side.refuse(flaw.kind, begins + flaw.at as u64, flaw.what, found.get(..flaw.len).unwrap_or(found))
        };
        let field = match field_line(&line, 0) {
            Ok(Some((Line::Field(field), _))) => field,
            Ok(Some((Line::Empty, _)) | None) => {
                return Err(refuse(Flaw::byte(Kind::MalformedRequest, 0, "a trailer that is no field")));
            }
            Err(flaw) => return Err(refuse(flaw)),
        };
        let name = field.name.of(&line);
        if trailer::is_forbidden(name) {
            return Err(refuse(Flaw::bytes(Kind::InvalidTrailer, 0, name.len(), "a field that may not be a trailer")));
        }
        self.trailers.extend_from_slice(name);
        self.trailers.extend_from_slice(b": ");
        self.trailers.extend_from_slice(field.value.of(&line));
        self.trailers.extend_from_slice(b"\r\n");
        self.line = self.trailers.len();
        Ok(())
    }
}

impl At {
    /// What is wrong with a byte that cannot come here.
    fn refuses(self) -> &'static str {
        match self {
            Self::Size => "a chunk size that does not begin with a digit",
            Self::MoreSize => "a byte that a chunk size may not hold",
            Self::BeforeSemicolon => "white space that no chunk extension follows",
            Self::NameStart | Self::Name | Self::AfterName => "a byte that a chunk extension's name may not hold",
            Self::ValueStart | Self::Token => "a byte that a chunk extension's value may not hold",
            Self::Quoted | Self::Escaped => "a control in a chunk extension's quoted string",
            Self::AfterQuoted => "something after a chunk extension's quoted string",
            Self::SizeLf => "a chunk size whose CR no LF follows",
            Self::DataCr | Self::DataLf => "no CR LF after a chunk's data",
            Self::LastLf => "an end of the trailers whose CR no LF follows",
            Self::Data | Self::Trailer | Self::MoreTrailer | Self::Whole => "a byte that should have been taken",
        }
    }
}
