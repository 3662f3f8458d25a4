//! One line of a head: request line, status line, field line. Each is read from left to right, once.
//!
//! `Ok(None)` means that the bytes ran out before a line's end, good or bad: whoever waits for one may rely on it.

use super::bytes::{find_control, find_line_end, is_blank, path_len, position, query_len, span, token_len};
use super::flaw::Flaw;
use crate::failure::Kind;
use crate::head::{Field, Known, Method, RequestHead, ResponseHead, TargetForm, Version};

/// What a line was, and where the next one begins; nothing where bytes are missing.
pub(super) type Read<T> = Result<Option<(T, usize)>, Flaw>;

/// A line after the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Line {
    /// A field.
    Field(Field),
    /// The empty line that closes the head.
    Empty,
}

/// Reads a field line, or the empty line (RFC 9112, section 5).
#[inline(always)]
pub(super) fn field_line(bytes: &[u8], start: usize) -> Read<Line> {
    let Some(rest) = bytes.get(start..) else { return Ok(None) };
    let name_len = token_len(rest);
    match rest.get(name_len) {
        None => return Ok(None),
        Some(b':') if name_len > 0 => {}
        Some(b'\r') if name_len == 0 => {
            return match rest.get(1) {
                None => Ok(None),
                Some(b'\n') => Ok(Some((Line::Empty, start + 2))),
                Some(_) => Err(bare_cr(start)),
            };
        }
        Some(&byte) => return Err(no_name(byte, start, name_len)),
    }
    let name_end = start + name_len;
    let mut value_start = name_end + 1;
    while bytes.get(value_start).copied().is_some_and(is_blank) {
        value_start += 1;
    }
    let Some((mut value_end, next)) = line_end(bytes, value_start)? else { return Ok(None) };
    while value_end > value_start && bytes.get(value_end - 1).copied().is_some_and(is_blank) {
        value_end -= 1;
    }
    let name = span(start, name_end);
    let field = Field { name, value: span(value_start, value_end), known: Known::of(name.of(bytes)) };
    Ok(Some((Line::Field(field), next)))
}

/// Where a value or phrase that begins at `from` ends, and where the next line begins.
#[inline(always)]
fn line_end(bytes: &[u8], from: usize) -> Result<Option<(usize, usize)>, Flaw> {
    let Some(at) = find_control(bytes.get(from..).unwrap_or_default()).map(|n| from + n) else { return Ok(None) };
    match (bytes.get(at), bytes.get(at + 1)) {
        (Some(b'\r'), Some(b'\n')) => Ok(Some((at, at + 2))),
        (Some(b'\r'), None) => Ok(None),
        (Some(b'\r'), Some(_)) => Err(bare_cr(at)),
        (Some(b'\n'), _) => Err(bare_lf(at)),
        (_, _) => Err(Flaw::byte(Kind::MalformedRequest, at, "a control character in a value or phrase")),
    }
}

fn bare_cr(at: usize) -> Flaw {
    Flaw::byte(Kind::MalformedRequest, at, "a CR that no LF follows")
}

fn bare_lf(at: usize) -> Flaw {
    Flaw::byte(Kind::MalformedRequest, at, "an LF without a CR before it")
}

/// Why what stands before the colon is no name.
#[cold]
fn no_name(byte: u8, start: usize, name_len: usize) -> Flaw {
    let at = start + name_len;
    let what = match byte {
        b'\n' => return bare_lf(at),
        b' ' | b'\t' if name_len == 0 => "a line that begins with white space (obs-fold)",
        b' ' | b'\t' => "white space in or after a field name",
        b':' => "a field without a name",
        b'\r' => "a field line without a colon",
        _ => "a byte that a field name may not hold",
    };
    Flaw::byte(Kind::MalformedRequest, at, what)
}

/// Reads the request line (RFC 9112, section 3) into `head`.
#[inline(always)]
pub(super) fn request_line(bytes: &[u8], start: usize, head: &mut RequestHead) -> Read<()> {
    let Some(rest) = bytes.get(start..) else { return Ok(None) };
    let method_len = token_len(rest);
    match rest.get(method_len) {
        None => return Ok(None),
        Some(b' ') if method_len > 0 => {}
        Some(&byte) => return Err(no_method(byte, start, method_len)),
    }
    let target_start = start + method_len + 1;
    let Some(rest) = bytes.get(target_start..) else { return Ok(None) };
    let before_query = path_len(rest);
    let has_query = rest.get(before_query) == Some(&b'?');
    let target_len =
        if has_query { before_query + query_len(rest.get(before_query..).unwrap_or_default()) } else { before_query };
    match rest.get(target_len) {
        None => return Ok(None),
        Some(b' ') if target_len > 0 => {}
        Some(&byte) => return Err(no_target(byte, target_start, target_len)),
    }
    let target_end = target_start + target_len;
    let Some((version, next)) = version_and_end(bytes, target_end + 1)? else { return Ok(None) };
    head.method_span = span(start, target_start - 1);
    head.method = method(head.method_span.of(bytes));
    head.target = span(target_start, target_end);
    head.version = version;
    head.has_query = has_query;
    let question = target_start + before_query;
    head.query = if has_query { span(question + 1, target_end) } else { span(target_end, target_end) };
    head.path = span(target_start, question);
    head.authority = span(target_start, target_start);
    head.form = TargetForm::Origin;
    if bytes.get(target_start) != Some(&b'/') {
        other_form(bytes, head)?;
    }
    Ok(Some(((), next)))
}

#[cold]
fn no_method(byte: u8, start: usize, method_len: usize) -> Flaw {
    let at = start + method_len;
    let what = match byte {
        b'\n' => return bare_lf(at),
        b'\r' if method_len == 0 => "more than one empty line before the request",
        b'\r' => "a request line without a target",
        b' ' | b'\t' if method_len == 0 => "white space before the method",
        b'\t' => "a tab in the request line",
        _ => "a byte that a method may not hold",
    };
    Flaw::byte(Kind::MalformedRequest, at, what)
}

#[cold]
fn no_target(byte: u8, start: usize, target_len: usize) -> Flaw {
    let at = start + target_len;
    let what = match byte {
        b'\n' => return bare_lf(at),
        b' ' => "more than one space between method and target",
        b'\t' => "a tab in the request line",
        b'\r' if target_len > 0 => "a request line without a version (HTTP/0.9)",
        b'\r' => "a request line without a target",
        b'#' => "a fragment in the target",
        _ => "a byte that a target may not hold",
    };
    Flaw::byte(Kind::MalformedRequest, at, what)
}

#[inline(always)]
fn version_and_end(bytes: &[u8], start: usize) -> Result<Option<(Version, usize)>, Flaw> {
    let rest = bytes.get(start..).unwrap_or_default();
    match rest.first_chunk::<10>() {
        Some(b"HTTP/1.1\r\n") => Ok(Some((Version::Http11, start + 10))),
        Some(b"HTTP/1.0\r\n") => Ok(Some((Version::Http10, start + 10))),
        _ => no_version(bytes, start),
    }
}

/// What else stands where the version should: nothing yet, another version, or none.
#[cold]
fn no_version(bytes: &[u8], start: usize) -> Result<Option<(Version, usize)>, Flaw> {
    let Some((end, _)) = line_end(bytes, start)? else { return Ok(None) };
    let found = bytes.get(start..end).unwrap_or_default();
    let (kind, what) = match found {
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            (Kind::UnsupportedVersion, "a version other than HTTP/1.0 and HTTP/1.1")
        }
        [b' ', ..] => (Kind::MalformedRequest, "more than one space between target and version"),
        _ => (Kind::MalformedRequest, "what should be the version is none"),
    };
    Err(Flaw::bytes(kind, start, found.len(), what))
}

#[inline(always)]
fn method(name: &[u8]) -> Method {
    match name {
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

/// Finds the parts of a target that does not begin with a slash.
#[cold]
fn other_form(bytes: &[u8], head: &mut RequestHead) -> Result<(), Flaw> {
    let target = head.target.of(bytes);
    let (start, end) = (head.target.start, head.target.end);
    if head.method == Method::Connect {
        head.form = TargetForm::Authority;
        head.authority = head.target;
        head.path = span(target.len(), target.len());
        (head.path.start, head.path.end) = (end, end);
        return Ok(());
    }
    if target == b"*" {
        head.form = TargetForm::Asterisk;
        (head.path.start, head.path.end) = (end, end);
        return Ok(());
    }
    let Some(scheme_len) = scheme_len(target) else {
        let what = "a target that is neither a path nor an http or https URI";
        return Err(Flaw::bytes(Kind::MalformedRequest, start as usize, target.len(), what));
    };
    let authority = target.get(scheme_len..).unwrap_or_default();
    let authority_len = authority.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(authority.len());
    let from = start.saturating_add(position(scheme_len));
    let to = from.saturating_add(position(authority_len));
    head.form = TargetForm::Absolute;
    (head.authority.start, head.authority.end) = (from, to);
    head.path.start = to;
    Ok(())
}

/// The length of `http://` or `https://` in any case.
fn scheme_len(target: &[u8]) -> Option<usize> {
    let has = |scheme: &[u8]| target.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme));
    [b"http://".as_slice(), b"https://"].into_iter().find(|scheme| has(scheme)).map(<[u8]>::len)
}

/// Reads the status line (RFC 9112, section 4) into `head`. The space after the status is required, as the grammar has
/// it: without it, readers differ on whether `HTTP/1.1 200` is a status line at all.
#[inline(always)]
pub(super) fn status_line(bytes: &[u8], start: usize, head: &mut ResponseHead) -> Read<()> {
    let rest = bytes.get(start..).unwrap_or_default();
    let Some(&[b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor, b' ', a, b, c, b' ']) = rest.first_chunk::<13>() else {
        return no_status(rest, start);
    };
    head.version = match minor {
        b'0' => Version::Http10,
        b'1' => Version::Http11,
        _ => return no_status(rest, start),
    };
    if !(matches!(a, b'1'..=b'5') && b.is_ascii_digit() && c.is_ascii_digit()) {
        return no_status(rest, start);
    }
    let digit = |byte: u8| u16::from(byte - b'0');
    head.status = digit(a) * 100 + digit(b) * 10 + digit(c);
    let Some((end, next)) = line_end(bytes, start + 13)? else { return Ok(None) };
    head.reason = span(start + 13, end);
    Ok(Some(((), next)))
}

/// Nothing yet, or what stands there instead of a status line.
#[cold]
fn no_status(rest: &[u8], start: usize) -> Read<()> {
    match find_line_end(rest, 0) {
        None => Ok(None),
        Some(at) => Err(Flaw::bytes(Kind::MalformedRequest, start, at + 1, "a broken status line")),
    }
}
