//! Fields, from HTTP/2 to HTTP/1 and back (RFC 9113, section 8.2). What speaks of one HTTP/1 connection stays behind, and the
//! lane's reader judges every field as if it had come over HTTP/1.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tidegate_core::head::{Field, Known};

/// Appends a line for each field.
pub(super) fn write_lines(fields: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in fields {
        write_line(name.as_str().as_bytes(), value.as_bytes(), out);
    }
}

pub(super) fn write_line(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Reads lines that a lane wrote.
pub(super) fn read_lines(lines: &[u8]) -> Option<HeaderMap> {
    let mut fields = HeaderMap::new();
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r\n")?;
        let at = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(line.get(..at)?).ok()?;
        let value = HeaderValue::from_bytes(line.get(at + 1..)?.trim_ascii()).ok()?;
        fields.append(name, value);
    }
    Some(fields)
}

/// Takes the fields of a head over; its bytes are kept once for all of their values.
pub(super) fn take_fields(bytes: &[u8], fields: &[Field], drops: impl Fn(&Field) -> bool) -> Option<HeaderMap> {
    let all = Bytes::copy_from_slice(bytes);
    let mut taken = HeaderMap::with_capacity(fields.len());
    for field in fields.iter().filter(|field| !is_of_connection(field.known) && !drops(field)) {
        let name = HeaderName::from_bytes(field.name.of(bytes)).ok()?;
        let value = all.slice(field.value.start as usize..field.value.end as usize);
        taken.append(name, HeaderValue::from_maybe_shared(value).ok()?);
    }
    Some(taken)
}

/// Whether a field speaks of one HTTP/1 connection (RFC 9113, section 8.2.2).
fn is_of_connection(known: Known) -> bool {
    matches!(
        known,
        Known::Connection | Known::KeepAlive | Known::ProxyConnection | Known::TransferEncoding | Known::Upgrade
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_are_read_as_they_were_written() {
        let fields = read_lines(b"x-sum: 1\r\ngrpc-status: 0\r\n").unwrap();
        let mut out = Vec::new();
        write_lines(&fields, &mut out);
        assert_eq!(out, b"x-sum: 1\r\ngrpc-status: 0\r\n");
        assert!(read_lines(b"").unwrap().is_empty());
    }
}
