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
    let hex = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
}

/// Bytes that stand for themselves in a JSON string.
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

/// A moment of the wall clock as RFC 3339 has it, in UTC with milliseconds. Keeps the text of the last second.
#[derive(Debug, Clone)]
pub struct Clock {
    second: u64,
    text: [u8; 20],
}

impl Default for Clock {
    fn default() -> Self {
        Self { second: 0, text: *b"1970-01-01T00:00:00." }
    }
}

impl Clock {
    /// Appends `unix_ns` nanoseconds since 1970 as `2026-11-24T06:00:00.000Z`.
    pub fn append(&mut self, out: &mut Vec<u8>, unix_ns: u64) {
        let second = unix_ns / 1_000_000_000;
        if second != self.second {
            self.second = second;
            self.text = second_text(second);
        }
        out.extend_from_slice(&self.text);
        digits(out, unix_ns % 1_000_000_000 / 1_000_000, 3);
        out.push(b'Z');
    }
}

/// The calendar by H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`: years begin in March.
fn second_text(second: u64) -> [u8; 20] {
    let (days, of_day) = (second / 86_400, second % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let mut text = Vec::with_capacity(20);
    let parts = [(year, 4, b'-'), (month, 2, b'-'), (day, 2, b'T')];
    let times = [(of_day / 3600, 2, b':'), (of_day / 60 % 60, 2, b':'), (of_day % 60, 2, b'.')];
    for (value, width, after) in parts.into_iter().chain(times) {
        digits(&mut text, value, width);
        text.push(after);
    }
    text.try_into().unwrap_or(*b"1970-01-01T00:00:00.")
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
    fn times_read_as_rfc_3339() {
        let mut clock = Clock::default();
        for (nanos, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999_999_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000_000_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_001_000_000, "2000-03-01T00:00:00.001Z"),
            (1_798_761_599_500_000_000, "2026-12-31T23:59:59.500Z"),
            (4_107_542_400_000_000_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(text(|out| clock.append(out, nanos)), expected);
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
