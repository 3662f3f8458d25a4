//! Reads a head line by line as it comes: each byte is looked at once, also when it dribbles in.

use memchr::memchr;

use super::bytes::{TARGET, TOKEN, find_control, is_token, trim};
use super::{malformed, of_response, refuse, shown};
use crate::failure::{Failure, Kind};
use crate::head::{Field, Known, Method, RequestHead, ResponseHead, Span, TargetForm, Version};

/// Bounds on a head; `u32::MAX` is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadLimits {
    /// Bytes of the whole head.
    pub bytes: u32,
    /// Field lines.
    pub fields: u32,
    /// Bytes of the first line.
    pub line: u32,
}

/// Whether a head is whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// More bytes are needed.
    Partial,
    /// The head is whole, its `len` is set.
    Complete,
}

/// How far a head is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadReader {
    /// Where the line that is not whole yet begins.
    line: usize,
    /// Up to where that line is known to hold no line feed.
    scanned: usize,
    /// Whether the first line is read.
    begun: bool,
}

impl HeadReader {
    /// Ready for the next head.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Whether a byte of a head was looked at.
    pub fn has_begun(&self) -> bool {
        self.begun || self.scanned > 0
    }

    /// Reads on in `bytes`, which are all from the head's first byte (RFC 9112, sections 2 to 5).
    /// Fails on the first line that is not as the RFC has it.
    pub fn read_request(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
        head: &mut RequestHead,
    ) -> Result<Progress, Failure> {
        while let Some((start, end)) = self.next_line(bytes, limits)? {
            let line = bytes.get(start..end).unwrap_or_default();
            if !self.begun {
                self.begun = true;
                head.fields.clear();
                read_request_line(line, start, head)?;
            } else if line.is_empty() {
                head.len = position(self.line);
                return Ok(Progress::Complete);
            } else {
                push_field(line, start, limits, &mut head.fields)?;
            }
        }
        Ok(Progress::Partial)
    }

    /// As [`HeadReader::read_request`], for an answer.
    pub fn read_response(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
        head: &mut ResponseHead,
    ) -> Result<Progress, Failure> {
        self.read_response_lines(bytes, limits, head).map_err(of_response)
    }

    fn read_response_lines(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
        head: &mut ResponseHead,
    ) -> Result<Progress, Failure> {
        while let Some((start, end)) = self.next_line(bytes, limits)? {
            let line = bytes.get(start..end).unwrap_or_default();
            if !self.begun {
                self.begun = true;
                head.fields.clear();
                read_status_line(line, start, head)?;
            } else if line.is_empty() {
                head.len = position(self.line);
                return Ok(Progress::Complete);
            } else {
                push_field(line, start, limits, &mut head.fields)?;
            }
        }
        Ok(Progress::Partial)
    }

    /// The next whole line without its line end, as positions; `None` if it is not whole yet.
    fn next_line(&mut self, bytes: &[u8], limits: &HeadLimits) -> Result<Option<(usize, usize)>, Failure> {
        let rest = bytes.get(self.scanned..).unwrap_or_default();
        let Some(feed) = memchr(b'\n', rest).map(|at| self.scanned + at) else {
            self.scanned = bytes.len();
            self.refuse_early(bytes)?;
            self.check_size(bytes.len(), limits)?;
            return Ok(None);
        };
        self.check_size(feed + 1, limits)?;
        let start = self.line;
        if feed == start || bytes.get(feed - 1) != Some(&b'\r') {
            return Err(malformed(format!("a bare line feed at byte {feed}")));
        }
        self.line = feed + 1;
        self.scanned = feed + 1;
        Ok(Some((start, feed - 1)))
    }

    /// What can be no head need not wait for its line to end: a TLS hello, or the preface of HTTP/2.
    fn refuse_early(&self, bytes: &[u8]) -> Result<(), Failure> {
        if self.begun {
            return Ok(());
        }
        match bytes.first() {
            Some(first) if !TOKEN[*first as usize] && *first != b'\r' => {
                Err(malformed(format!("a message may not begin with {}", shown(bytes))))
            }
            _ => Ok(()),
        }
    }

    fn check_size(&self, read: usize, limits: &HeadLimits) -> Result<(), Failure> {
        if !self.begun && read > limits.line as usize {
            return Err(refuse(
                Kind::RequestLineTooLong,
                format!("the first line has over {} bytes, limits.request_line", limits.line),
            ));
        }
        if read > limits.bytes as usize {
            return Err(refuse(
                Kind::HeadTooLarge,
                format!("the head has over {} bytes, limits.header_bytes", limits.bytes),
            ));
        }
        Ok(())
    }
}

fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn span(start: usize, end: usize) -> Span {
    Span { start: position(start), end: position(end) }
}

/// `GET /path?query HTTP/1.1` (RFC 9112, section 3): exactly one space between exactly three parts.
fn read_request_line(line: &[u8], at: usize, head: &mut RequestHead) -> Result<(), Failure> {
    let bad = |says: &str| malformed(format!("{says} in the request line {}", shown(line)));
    let method_end = memchr(b' ', line).ok_or_else(|| bad("no space"))?;
    let version_start = memchr::memrchr(b' ', line).ok_or_else(|| bad("no space"))? + 1;
    if version_start <= method_end + 1 {
        return Err(bad("no version"));
    }
    let method = line.get(..method_end).unwrap_or_default();
    let target = line.get(method_end + 1..version_start - 1).unwrap_or_default();
    if !is_token(method) {
        return Err(bad("the method is no token"));
    }
    head.version = read_version(line.get(version_start..).unwrap_or_default())?;
    if target.is_empty() || !target.iter().all(|byte| TARGET[*byte as usize]) {
        return Err(bad("a byte that a target may not hold"));
    }
    head.method = method_of(method);
    head.method_span = span(at, at + method_end);
    let start = at + method_end + 1;
    head.target = span(start, start + target.len());
    split_target(target, start, head).ok_or_else(|| bad("no form of a target"))
}

fn method_of(method: &[u8]) -> Method {
    match method {
        b"GET" => Method::Get,
        b"HEAD" => Method::Head,
        b"POST" => Method::Post,
        b"PUT" => Method::Put,
        b"DELETE" => Method::Delete,
        b"OPTIONS" => Method::Options,
        b"TRACE" => Method::Trace,
        b"CONNECT" => Method::Connect,
        b"PATCH" => Method::Patch,
        _ => Method::Other,
    }
}

/// `HTTP/1.0` and `HTTP/1.1` are served, in exactly this case; other versions of HTTP are told that they are not.
fn read_version(version: &[u8]) -> Result<Version, Failure> {
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Err(refuse(Kind::UnsupportedVersion, format!("version {}", shown(version))))
        }
        _ => Err(malformed(format!("no version of HTTP: {}", shown(version)))),
    }
}

/// Finds out which form a target has (RFC 9112, section 3.2) and where its parts are.
fn split_target(target: &[u8], at: usize, head: &mut RequestHead) -> Option<()> {
    head.authority = Span::default();
    head.path = Span::default();
    head.query = Span::default();
    head.has_query = false;
    if head.method == Method::Connect {
        head.form = TargetForm::Authority;
        head.authority = span(at, at + target.len());
        return Some(());
    }
    let path_start = match target {
        b"*" => {
            head.form = TargetForm::Asterisk;
            return (head.method == Method::Options).then_some(());
        }
        [b'/', ..] => {
            head.form = TargetForm::Origin;
            0
        }
        _ => {
            let scheme = ["http://", "https://"].iter().find(|scheme| {
                target.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme.as_bytes()))
            })?;
            let rest = target.get(scheme.len()..)?;
            let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
            head.form = TargetForm::Absolute;
            head.authority = span(at + scheme.len(), at + scheme.len() + end);
            scheme.len() + end
        }
    };
    let path = target.get(path_start..)?;
    let mark = memchr(b'?', path);
    let path_end = mark.unwrap_or(path.len());
    head.path = span(at + path_start, at + path_start + path_end);
    head.has_query = mark.is_some();
    if mark.is_some() {
        head.query = span(at + path_start + path_end + 1, at + target.len());
    }
    Some(())
}

/// `HTTP/1.1 200 OK` (RFC 9112, section 4). The space before an empty reason may be missing: many servers leave it out,
/// and no reader takes the line for another status.
fn read_status_line(line: &[u8], at: usize, head: &mut ResponseHead) -> Result<(), Failure> {
    let bad = |says: &str| malformed(format!("{says} in the status line {}", shown(line)));
    head.version = match line.get(..9) {
        Some(b"HTTP/1.1 ") => Version::Http11,
        Some(b"HTTP/1.0 ") => Version::Http10,
        _ => return Err(bad("no version of HTTP/1")),
    };
    let digits = line.get(9..12).ok_or_else(|| bad("no status"))?;
    let status = super::bytes::decimal(digits).ok_or_else(|| bad("no status"))?;
    head.status = u16::try_from(status).unwrap_or(0);
    if !(100..600).contains(&head.status) {
        return Err(bad("a status that is not between 100 and 599"));
    }
    head.reason = match line.get(12) {
        None => Span::default(),
        Some(b' ') => span(at + 13, at + line.len()),
        Some(_) => return Err(bad("no space behind the status")),
    };
    if find_control(line).is_some() {
        return Err(bad("a control"));
    }
    Ok(())
}

/// `Name: value` (RFC 9112, section 5): no space around the name, no folding, no control in the value.
pub(super) fn push_field(
    line: &[u8],
    at: usize,
    limits: &HeadLimits,
    fields: &mut Vec<Field>,
) -> Result<(), Failure> {
    let name_len = line.iter().position(|byte| !TOKEN[*byte as usize]).unwrap_or(line.len());
    if line.get(name_len) != Some(&b':') || name_len == 0 {
        let says = match line.first() {
            Some(b' ' | b'\t') => "a folded line, or white space before a name",
            _ => "no field name followed by a colon",
        };
        return Err(malformed(format!("{says} at byte {at}: {}", shown(line))));
    }
    let after = line.get(name_len + 1..).unwrap_or_default();
    if let Some(control) = find_control(after) {
        return Err(malformed(format!("a control at byte {}: {}", at + name_len + 1 + control, shown(line))));
    }
    if fields.len() >= limits.fields as usize {
        return Err(refuse(Kind::TooManyHeaders, format!("there are over {} fields, limits.headers", limits.fields)));
    }
    let value = trim(after);
    let blank = after.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(after.len());
    let start = at + name_len + 1 + blank;
    fields.push(Field {
        name: span(at, at + name_len),
        value: span(start, start + value.len()),
        known: Known::of(line.get(..name_len).unwrap_or_default()),
    });
    Ok(())
}
