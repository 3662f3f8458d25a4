//! Paths made anew: from the matched form, or from what is left of a path that was sent, to what may be sent.

use super::path::escape;

/// What may stand in a path as it is: `pchar` and the slash (RFC 3986, section 3.3).
static PLAIN: [bool; 256] = {
    let (mut plain, mut byte) = ([false; 256], 0u8);
    loop {
        plain[byte as usize] = is_unreserved(byte)
            || matches!(
                byte,
                b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':' | b'@'
            );
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    plain
};

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn push(out: &mut Vec<u8>, byte: u8) {
    if byte == b'/' {
        if out.last() != Some(&b'/') {
            out.push(byte);
        }
    } else if PLAIN.get(usize::from(byte)).copied().unwrap_or(false) {
        out.push(byte);
    } else {
        push_escaped(out, byte);
    }
}

/// Appends the escape of `byte`.
pub(crate) fn push_escaped(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push(b'%');
    out.extend(DIGITS.get(usize::from(byte >> 4)));
    out.extend(DIGITS.get(usize::from(byte & 0xF)));
}

/// Appends a path in its matched form, `%2F` and `%25` as they are, all else that needs it escaped. A slash behind a slash
/// is left out, also behind one that is there already.
pub fn write_matched(out: &mut Vec<u8>, matched: &[u8]) {
    let mut rest = matched;
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' && (tail.starts_with(b"2F") || tail.starts_with(b"25")) {
            out.push(byte);
        } else {
            push(out, byte);
        }
        rest = tail;
    }
}

/// Appends what is left of a path that was sent: slashes merged, and of the escapes those gone that stand for what needs
/// none. Escapes of reserved characters stay, since `%3B` and `;` need not mean the same (RFC 3986, section 2.2).
pub fn write_sent(out: &mut Vec<u8>, sent: &[u8]) {
    let mut at = 0;
    while let Some(&byte) = sent.get(at) {
        match escape(sent, at) {
            Some(escaped) => {
                if is_unreserved(escaped) {
                    out.push(escaped);
                } else {
                    push_escaped(out, escaped);
                }
                at += 3;
            }
            None => {
                push(out, byte);
                at += 1;
            }
        }
    }
}

/// What stands in `sent` behind a prefix of its matched form, on a segment border: it is empty, or begins with a slash.
/// `prefix` is a matched form without a slash at its end.
pub fn behind<'a>(sent: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let is_border = |rest: &&[u8]| matches!(rest.first(), None | Some(b'/'));
    if let Some(rest) = sent.strip_prefix(prefix).filter(is_border) {
        return Some(rest);
    }
    let (mut rest, mut wanted) = (sent, prefix);
    while !wanted.is_empty() {
        let decoded = escape(rest, 0);
        let matched: &[u8] = match &decoded {
            Some(b'/') => b"%2F",
            Some(b'%') => b"%25",
            Some(byte) => std::slice::from_ref(byte),
            None => rest.get(..1)?,
        };
        wanted = wanted.strip_prefix(matched)?;
        let is_slash = decoded.is_none() && matched == b"/";
        rest = rest.get(if decoded.is_some() { 3 } else { 1 }..)?;
        while is_slash && rest.first() == Some(&b'/') {
            rest = rest.get(1..)?;
        }
    }
    Some(rest).filter(is_border)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_on_a_segment_border_however_it_is_spelt() {
        for (sent, prefix, rest) in [
            ("/v1", "/v1", Some("")),
            ("/v1/", "/v1", Some("/")),
            ("/v1/x", "/v1", Some("/x")),
            ("/v10", "/v1", None),
            ("/v", "/v1", None),
            ("/x/v1", "/v1", None),
            ("/%761//x", "/v1", Some("//x")),
            ("//v1/x", "/v1", Some("/x")),
            ("/v1%2Fx", "/v1", None),
            ("/a%2fb/c", "/a%2Fb", Some("/c")),
            ("/a%20b", "/a b", Some("")),
            ("/a///b/c", "/a/b", Some("/c")),
            ("/100%25/c", "/100%25", Some("/c")),
        ] {
            let found = behind(sent.as_bytes(), prefix.as_bytes());
            assert_eq!(found, rest.map(str::as_bytes), "{sent} {prefix}");
        }
    }

    #[test]
    fn what_needs_an_escape_has_one_and_what_is_reserved_keeps_its_own() {
        let sent = |text: &str| {
            let mut out = Vec::new();
            write_sent(&mut out, text.as_bytes());
            String::from_utf8(out).unwrap()
        };
        for (text, written) in [
            ("/a%2fb%3b;%41%2e", "/a%2Fb%3B;A."),
            ("//a///b", "/a/b"),
            ("/%c3%bc\"<", "/%C3%BC%22%3C"),
            ("/100%25", "/100%25"),
        ] {
            assert_eq!(sent(text), written);
        }
        let mut out = b"/x/".to_vec();
        write_matched(&mut out, "//a b/\u{fc}?%2F%25%;".as_bytes());
        assert_eq!(String::from_utf8(out).unwrap(), "/x/a%20b/%C3%BC%3F%2F%25%25;");
    }
}
