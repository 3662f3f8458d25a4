//! A text for where it stands: what a stranger sent must not end a header, begin a parameter or become markup.

use super::text::Text;
use crate::route::encode::{push_escaped, write_matched};
use crate::snapshot::document::Word;

/// Where a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// In the value of a field: each control but the tab becomes a space (RFC 9110, section 5.5, of CR, LF and NUL).
    HeaderValue,
    /// In a path that goes on: everything but unreserved characters is escaped, in `request.path` only what no path may
    /// hold. What came of it is for whoever asked to read once more, since two texts may make a dot segment together.
    Path,
    /// In a query: everything but unreserved characters is escaped; `request.query` stays.
    Query,
    /// In a URI, as in `Location`: as in a path, but `request.uri`, `.query` and `.host`, which are parts of one, stay.
    /// What begins with a hole never begins with two slashes, which would name another host.
    Uri,
    /// In plain text: as it is.
    Text,
    /// In HTML, between tags or in a quoted attribute.
    Html,
    /// Within the quotes of a string of JSON.
    Json,
}

/// Appends the value of `text` for where it stands.
pub(super) fn write(stand: Stand, text: &Text, value: &[u8], out: &mut Vec<u8>) {
    let word = if let Text::Word(word) = text { Some(*word) } else { None };
    match (stand, word) {
        (Stand::Text, _) => out.extend_from_slice(value),
        (Stand::HeaderValue, _) => header_value(value, out),
        (Stand::Html, _) => html(value, out),
        (Stand::Json, _) => json(value, out),
        (Stand::Uri, Some(Word::RequestUri | Word::RequestHost | Word::RequestQuery))
        | (Stand::Query, Some(Word::RequestQuery)) => out.extend_from_slice(value),
        (Stand::Uri | Stand::Path, Some(Word::RequestPath)) => write_matched(out, value),
        (Stand::Uri | Stand::Path | Stand::Query, _) => escaped(value, out),
    }
}

/// RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

fn escaped(value: &[u8], out: &mut Vec<u8>) {
    for &byte in value {
        if is_unreserved(byte) {
            out.push(byte);
        } else {
            push_escaped(out, byte);
        }
    }
}

/// Appends `value` with a space for each control but the tab.
pub(super) fn header_value(value: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(value);
    for byte in out.iter_mut().skip(start) {
        if (*byte < 0x20 && *byte != b'\t') || *byte == 0x7F {
            *byte = b' ';
        }
    }
}

fn html(value: &[u8], out: &mut Vec<u8>) {
    for &byte in value {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            _ => out.push(byte),
        }
    }
}

/// JSON is UTF-8 (RFC 8259, section 8.1): what is none becomes the replacement character.
fn json(value: &[u8], out: &mut Vec<u8>) {
    for letter in String::from_utf8_lossy(value).chars() {
        match letter {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\0'..='\u{1f}' => out.extend_from_slice(format!("\\u{:04x}", u32::from(letter)).as_bytes()),
            _ => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}
