//! What a head declares about its body: Content-Length and Transfer-Encoding (RFC 9112, section 6).

use super::flaw::Flaw;
use crate::failure::Kind;
use crate::head::{Field, Version};

/// How a body's end is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum BodyLength {
    /// There is no body.
    #[default]
    None,
    /// So many bytes, as `Content-Length` says.
    Length(u64),
    /// Chunks tell (RFC 9112, section 7.1).
    Chunked,
    /// The end of the connection tells; answers only.
    UntilClose,
}

/// What the fields have declared so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Declared {
    /// The value of Content-Length.
    pub(super) length: Option<u64>,
    /// Whether Transfer-Encoding is `chunked`.
    pub(super) chunked: bool,
}

impl Declared {
    /// Takes a Content-Length. A second one is refused also if it is equal: some readers take the first, some join them.
    pub(super) fn length(&mut self, bytes: &[u8], field: &Field) -> Result<(), Flaw> {
        if self.length.is_some() {
            return Err(ambiguous(field, "a second Content-Length"));
        }
        if self.chunked {
            return Err(ambiguous(field, "Content-Length beside Transfer-Encoding"));
        }
        let length = read_length(field.value.of(bytes));
        self.length = Some(length.ok_or_else(|| ambiguous(field, "a Content-Length that is not a plain number"))?);
        Ok(())
    }

    /// Takes a Transfer-Encoding, whose whole and only value has to be `chunked`.
    pub(super) fn coding(&mut self, bytes: &[u8], field: &Field, version: Version) -> Result<(), Flaw> {
        if self.chunked {
            return Err(ambiguous(field, "a second Transfer-Encoding"));
        }
        if self.length.is_some() {
            return Err(ambiguous(field, "Transfer-Encoding beside Content-Length"));
        }
        if version == Version::Http10 {
            return Err(ambiguous(field, "Transfer-Encoding in HTTP/1.0"));
        }
        if !field.value.of(bytes).eq_ignore_ascii_case(b"chunked") {
            return Err(ambiguous(field, "a Transfer-Encoding other than `chunked`"));
        }
        self.chunked = true;
        Ok(())
    }
}

#[cold]
fn ambiguous(field: &Field, what: &'static str) -> Flaw {
    Flaw::field(Kind::AmbiguousFraming, field, what)
}

/// Digits only, and no more than a signed 64-bit number holds, which is what many readers keep it in.
fn read_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 {
        return None;
    }
    let length = value.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })?;
    i64::try_from(length).is_ok().then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_digits_that_fit_a_signed_number() {
        for (value, expected) in [
            ("0", Some(0)),
            ("5", Some(5)),
            ("00", Some(0)),
            ("007", Some(7)),
            ("9223372036854775807", Some(i64::MAX as u64)),
            ("9223372036854775808", None),
            ("9999999999999999999", None),
            ("18446744073709551615", None),
            ("18446744073709551621", None),
            ("00000000000000000005", None),
            ("", None),
            ("+5", None),
            ("-5", None),
            ("-0", None),
            ("5 5", None),
            ("5, 5", None),
            ("5,", None),
            (",5", None),
            ("0x5", None),
            ("5h", None),
            ("1_0", None),
            ("5.0", None),
            ("1e3", None),
            ("\"5\"", None),
            ("5;", None),
            ("\u{0665}", None),
        ] {
            assert_eq!(read_length(value.as_bytes()), expected, "{value:?}");
        }
    }
}
