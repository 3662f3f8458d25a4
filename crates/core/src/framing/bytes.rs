//! Classes of bytes, and quick ways to find the first that is out of its class.

use crate::head::Span;

const TCHAR: u8 = 1; // RFC 9110, section 5.6.2
const PATH: u8 = 2; // what a request target may hold: visible ASCII but `#`, and here but `?`
const QUERY: u8 = 4; // the same with `?`
const HOST: u8 = 8; // unreserved of RFC 3986; no sub-delims and no escapes, which readers take differently

const CLASSES: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut byte = 0u8;
    loop {
        let mut class = 0;
        let alphanumeric = byte.is_ascii_alphanumeric();
        if alphanumeric
            || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
        {
            class |= TCHAR;
        }
        if byte.is_ascii_graphic() && byte != b'#' {
            class |= if byte == b'?' { QUERY } else { PATH | QUERY };
        }
        if alphanumeric || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            class |= HOST;
        }
        table[byte as usize] = class;
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    table
};

/// A table of 256 has an entry for each byte, so this cannot be out of bounds.
#[inline(always)]
const fn is(byte: u8, class: u8) -> bool {
    CLASSES[byte as usize] & class != 0
}

#[inline(always)]
fn run(bytes: &[u8], class: u8) -> usize {
    bytes.iter().position(|&byte| !is(byte, class)).unwrap_or(bytes.len())
}

/// Whether `byte` may stand in a token.
pub(super) const fn is_token_byte(byte: u8) -> bool {
    is(byte, TCHAR)
}

/// Whether `bytes` is a token.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && token_len(bytes) == bytes.len()
}

/// How many bytes at the beginning are of a token.
#[inline(always)]
pub(super) fn token_len(bytes: &[u8]) -> usize {
    run(bytes, TCHAR)
}

/// How many bytes at the beginning may be of a target's path (or scheme and authority).
#[inline(always)]
pub(super) fn path_len(bytes: &[u8]) -> usize {
    run(bytes, PATH)
}

/// How many bytes at the beginning may be of a target's query.
#[inline(always)]
pub(super) fn query_len(bytes: &[u8]) -> usize {
    run(bytes, QUERY)
}

/// Whether all of `bytes` may stand in a host's name.
pub(super) fn is_host_name(bytes: &[u8]) -> bool {
    run(bytes, HOST) == bytes.len()
}

/// Whether `byte` is white space within a line.
#[inline(always)]
pub(super) const fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Where the first control is that may not stand in a value or a phrase: all but the tab (RFC 9110, section 5.5).
#[inline(always)]
pub(super) fn find_control(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        let rest = bytes.get(from..)?;
        let at = find_below_space_or_delete(rest)?;
        if rest.get(at) != Some(&b'\t') {
            return Some(from + at);
        }
        from += at + 1;
    }
}

/// Where it is decided how the line ends that goes on at `from`, well or badly: at the LF of a CR LF, at what else
/// follows a CR, or at another control.
pub(super) fn find_line_end(bytes: &[u8], from: usize) -> Option<usize> {
    let at = from + find_control(bytes.get(from..)?)?;
    let decided = if bytes.get(at) == Some(&b'\r') { at + 1 } else { at };
    (decided < bytes.len()).then_some(decided)
}

/// Eight bytes at a time: subtracting borrows into a byte's high bit exactly where the byte was smaller, and the lowest
/// bit that is set is never the work of a borrow from below.
#[inline(always)]
fn find_below_space_or_delete(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let (mut rest, mut at) = (bytes, 0);
    while let Some((eight, tail)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*eight);
        let below = word.wrapping_sub(ONES * 0x20) & !word;
        let not_delete = word ^ (ONES * 0x7f);
        let delete = not_delete.wrapping_sub(ONES) & !not_delete;
        let found = (below | delete) & HIGH;
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        (rest, at) = (tail, at + 8);
    }
    rest.iter().position(|&byte| byte < 0x20 || byte == 0x7f).map(|n| at + n)
}

/// `bytes` without blanks at both ends.
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    let mut trimmed = bytes;
    while let [first, rest @ ..] = trimmed
        && is_blank(*first)
    {
        trimmed = rest;
    }
    while let [rest @ .., last] = trimmed
        && is_blank(*last)
    {
        trimmed = rest;
    }
    trimmed
}

/// The elements of a list (RFC 9110, section 5.6.1) that has no quoted strings, without the empty ones.
pub(super) fn elements(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b',').map(trim).filter(|element| !element.is_empty())
}

/// A span; positions beyond 4 GiB, which no limit lets in, become empty spans.
#[inline(always)]
pub(super) fn span(start: usize, end: usize) -> Span {
    Span { start: position(start), end: position(end) }
}

/// A position in a head.
#[inline(always)]
pub(super) fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_control_is_found_wherever_it_stands() {
        for length in 0..40 {
            for at in 0..length {
                for control in (0u8..=0x1f).chain([0x7f]) {
                    let mut bytes = vec![b'\x80'; length];
                    bytes[at] = control;
                    bytes[length - 1] = if at == length - 1 { control } else { 0 };
                    let expected = if control == b'\t' { (at < length - 1).then(|| length - 1) } else { Some(at) };
                    assert_eq!(find_control(&bytes), expected, "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn no_other_byte_is_a_control() {
        let bytes: Vec<u8> = (0x20..=0xff).filter(|byte| *byte != 0x7f).collect();
        for from in 0..16 {
            assert_eq!(find_control(&bytes[from..]), None);
        }
    }

    #[test]
    fn a_token_is_what_rfc_9110_lists() {
        let listed: Vec<u8> = (0..=255).filter(|byte| is_token_byte(*byte)).collect();
        let expected = b"!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~";
        assert_eq!(listed, expected);
    }

    #[test]
    fn a_list_has_no_empty_elements() {
        let found: Vec<&[u8]> = elements(b", a,\tb ,,c ").collect();
        assert_eq!(found, [b"a", b"b", b"c"]);
    }
}
