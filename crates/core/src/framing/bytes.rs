//! Classes of bytes (RFC 9110, section 5.6).

/// Token characters (RFC 9110, section 5.6.2).
pub(super) static TOKEN: [bool; 256] = table(b"!#$%&'*+-.^_`|~", true);

/// What may stand in a request target: visible ASCII without the bytes that RFC 3986 leaves to nobody.
/// `"<>\^`{|}` are sent raw by some clients, and no reader takes them for anything else, but `\` is refused by paths.
pub(super) static TARGET: [bool; 256] = visible();

const fn table(also: &[u8], alphanumeric: bool) -> [bool; 256] {
    let mut set = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        set[byte as usize] = alphanumeric && byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < also.len() {
        set[also[at] as usize] = true;
        at += 1;
    }
    set
}

const fn visible() -> [bool; 256] {
    let mut set = [false; 256];
    let mut byte = 0x21u8;
    while byte < 0x7f {
        set[byte as usize] = byte != b'#';
        byte += 1;
    }
    set
}

/// Whether `bytes` is a token.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| TOKEN[*byte as usize])
}

/// Where the first control other than HTAB stands, if there is one. Bytes from 0x80 are allowed (obs-text).
pub(super) fn find_control(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let mut eight = [0u8; 8];
        eight.copy_from_slice(word);
        let w = u64::from_le_bytes(eight);
        // A byte below 0x20, or 0x7f: the classic exact-enough tests; a hit is looked at byte by byte.
        const LOW: u64 = 0x0101_0101_0101_0101;
        const HIGH: u64 = 0x8080_8080_8080_8080;
        let below = w.wrapping_sub(LOW * 0x20) & !w & HIGH;
        let delete = (w ^ (LOW * 0x7f)).wrapping_sub(LOW) & !(w ^ (LOW * 0x7f)) & HIGH;
        if below | delete != 0
            && let Some(inside) = word.iter().position(is_bad)
        {
            return Some(at + inside);
        }
        at += 8;
    }
    words.remainder().iter().position(is_bad).map(|inside| at + inside)
}

fn is_bad(byte: &u8) -> bool {
    (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f
}

/// `bytes` without the spaces and tabs at both ends.
pub(super) fn trim(bytes: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let Some(start) = bytes.iter().position(|byte| !is_blank(byte)) else { return &[] };
    let end = bytes.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
    bytes.get(start..end).unwrap_or_default()
}

/// A number of decimal digits and nothing else; `None` on an empty text, any other byte, or overflow.
pub(super) fn decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0u64, |sum, byte| {
        byte.is_ascii_digit().then_some(())?;
        sum.checked_mul(10)?.checked_add(u64::from(byte - b'0'))
    })
}
