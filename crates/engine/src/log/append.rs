//! Numbers, times and strings as text, appended to a buffer: no formatter, no allocation but the buffer's own.

/// Appends `number` in decimal.
pub fn number(out: &mut Vec<u8>, number: u64) {
    if number < 10 {
        out.push(b'0' + low_byte(number));
        return;
    }
    let mut text = [0u8; 20];
    let mut start = text.len();
    let mut rest = number;
    for slot in text.iter_mut().rev() {
        *slot = b'0' + low_byte(rest % 10);
        rest /= 10;
        start -= 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(text.get(start..).unwrap_or_default());
}

/// Appends the last `width` (at most 20) decimal digits of `number`, with zeros in front.
pub fn digits(out: &mut Vec<u8>, number: u64, width: usize) {
    let mut text = [b'0'; 20];
    let mut rest = number;
    for slot in text.iter_mut().rev().take(width) {
        *slot = b'0' + low_byte(rest % 10);
        rest /= 10;
    }
    out.extend_from_slice(text.get(text.len().saturating_sub(width)..).unwrap_or_default());
}

/// Appends nanoseconds as seconds with six digits after the point.
pub fn seconds(out: &mut Vec<u8>, nanos: u64) {
    number(out, nanos / 1_000_000_000);
    out.push(b'.');
    digits(out, nanos % 1_000_000_000 / 1000, 6);
}

/// Appends `text` with what JSON (RFC 8259, section 7) wants escaped, less the quotes around it. DEL and the controls
/// U+0080 to U+009F are escaped too, for terminals obey them; a byte that is no UTF-8 becomes `\u00XX` of its value.
pub fn escaped(out: &mut Vec<u8>, text: &[u8]) {
    match text.iter().position(|byte| !PLAIN[usize::from(*byte)]) {
        None => out.extend_from_slice(text),
        Some(first) => {
            let (plain, rest) = text.split_at(first);
            out.extend_from_slice(plain);
            escaped_slowly(out, rest);
        }
    }
}

#[cold]
fn escaped_slowly(out: &mut Vec<u8>, text: &[u8]) {
    for part in text.utf8_chunks() {
        for char in part.valid().chars() {
            match char {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                control if control.is_control() => unicode_escape(out, low_byte(u64::from(u32::from(control)))),
                other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        for byte in part.invalid() {
            unicode_escape(out, *byte);
        }
    }
}

fn unicode_escape(out: &mut Vec<u8>, byte: u8) {
    out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
}

fn hex(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

/// Bytes that stand for themselves in a JSON string and in a line of words.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0x20;
    while byte < 0x7f {
        plain[byte] = byte != b'"' as usize && byte != b'\\' as usize;
        byte += 1;
    }
    plain
};

fn low_byte(number: u64) -> u8 {
    number.to_le_bytes()[0]
}

/// Appends `text` for a line of words: controls, `"`, `\` and bytes that are no UTF-8 become `\xXX`, so that it ends
/// neither its line nor the quotes around it.
pub fn plain(out: &mut Vec<u8>, text: &[u8]) {
    match text.iter().position(|byte| !PLAIN[usize::from(*byte)]) {
        None => out.extend_from_slice(text),
        Some(first) => {
            let (plain, rest) = text.split_at(first);
            out.extend_from_slice(plain);
            plain_slowly(out, rest);
        }
    }
}

#[cold]
fn plain_slowly(out: &mut Vec<u8>, text: &[u8]) {
    for part in text.utf8_chunks() {
        for char in part.valid().chars() {
            let mut bytes = [0; 4];
            let bytes = char.encode_utf8(&mut bytes).as_bytes();
            if char == '"' || char == '\\' || char.is_control() {
                bytes.iter().for_each(|byte| byte_escape(out, *byte));
            } else {
                out.extend_from_slice(bytes);
            }
        }
        part.invalid().iter().for_each(|byte| byte_escape(out, *byte));
    }
}

fn byte_escape(out: &mut Vec<u8>, byte: u8) {
    out.extend_from_slice(&[b'\\', b'x', hex(byte >> 4), hex(byte & 15)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(append: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        append(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn numbers_read_as_the_formatter_writes_them() {
        let powers = (0..20).flat_map(|digits| [10u64.pow(digits) - 1, 10u64.pow(digits), 10u64.pow(digits) + 1]);
        for n in powers.chain([0, u64::MAX]) {
            assert_eq!(text(|out| number(out, n)), n.to_string());
        }
        assert_eq!(text(|out| digits(out, 42, 6)), "000042");
        assert_eq!(text(|out| seconds(out, 1_000_450_999)), "1.000450");
    }

    #[test]
    fn a_line_of_words_stays_one_and_its_quotes_stay_closed() {
        for (bytes, expected) in [
            (&b"plain /path?x=1"[..], "plain /path?x=1"),
            (b"a\" 200 \"b\\", r"a\x22 200 \x22b\x5c"),
            (b"\r\n\0\x1b[2J\x7f", r"\x0d\x0a\x00\x1b[2J\x7f"),
            ("gr\u{fc}n \u{9b}2J".as_bytes(), "gr\u{fc}n \\xc2\\x9b2J"),
            (b"\xff\xc3", r"\xff\xc3"),
        ] {
            assert_eq!(text(|out| plain(out, bytes)), expected);
        }
    }

    #[test]
    fn any_bytes_become_a_json_string_that_reads_back() {
        for (bytes, expected) in [
            (&b"plain /path?x=1"[..], "plain /path?x=1"),
            (b"a\"b\\c", "a\"b\\c"),
            (b"\r\n\t\0\x1b[2J\x7f", "\r\n\t\0\x1b[2J\x7f"),
            ("gr\u{fc}n \u{1f30a} \u{9b}2J".as_bytes(), "gr\u{fc}n \u{1f30a} \u{9b}2J"),
            (b"\xff\xc3", "\u{ff}\u{c3}"),
        ] {
            let json = format!("\"{}\"", text(|out| escaped(out, bytes)));
            assert!(!json.chars().any(char::is_control), "{json:?} holds no control");
            assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), expected);
        }
    }

    #[test]
    fn every_single_byte_and_pair_of_bytes_gives_json() {
        for first in 0..=255u8 {
            for second in 0..=255u8 {
                let json = format!("\"{}\"", text(|out| escaped(out, &[first, second])));
                serde_json::from_str::<String>(&json).expect("JSON");
            }
        }
    }
}
