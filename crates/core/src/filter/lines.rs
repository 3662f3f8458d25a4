//! The lines of a head that is being written: found, taken out, and lengthened, where they stand.

use std::ops::Range;

/// The lines of `out[from..]` that have this name, as ranges without their ends. Each line ends with CR LF.
fn find<'a>(out: &'a [u8], from: usize, name: &'a [u8]) -> impl Iterator<Item = Range<usize>> + 'a {
    let mut at = from;
    std::iter::from_fn(move || {
        let len = memchr::memchr(b'\n', out.get(at..)?)?;
        let line = at..at + len.saturating_sub(1);
        at += len + 1;
        Some(line)
    })
    .filter(move |line| is_of(out.get(line.clone()).unwrap_or_default(), name))
}

fn is_of(line: &[u8], name: &[u8]) -> bool {
    line.get(name.len()) == Some(&b':') && line.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name))
}

/// Takes the lines of this name out of `out[from..]`.
pub(super) fn remove(out: &mut Vec<u8>, from: usize, name: &[u8]) {
    let mut at = from;
    loop {
        let line = find(out, at, name).next();
        let Some(line) = line else { return };
        at = line.start;
        out.drain(line.start..line.end + 2);
    }
}

/// Appends what `write` writes to the last line of this name in `out[from..]`, behind a comma where it has a value; says
/// whether there is such a line.
pub(super) fn append(out: &mut Vec<u8>, from: usize, name: &[u8], write: impl FnOnce(&mut Vec<u8>)) -> bool {
    let Some(line) = find(out, from, name).last() else { return false };
    let has_value = out.get(line.start + name.len() + 1..line.end).is_some_and(|value| !value.trim_ascii().is_empty());
    let start = out.len();
    if has_value {
        out.extend_from_slice(b", ");
    }
    let bare = out.len();
    write(out);
    if out.len() == bare {
        out.truncate(start);
    }
    let len = out.len() - start;
    if let Some(rest) = out.get_mut(line.end..) {
        rest.rotate_right(len);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nA: 1\r\nab: 2\r\na: \r\n";
    const FROM: usize = 16;

    fn shown(out: &[u8]) -> &str {
        std::str::from_utf8(&out[FROM..]).unwrap()
    }

    #[test]
    fn lines_leave_by_their_whole_name_in_any_case() {
        for (name, left) in [("a", "ab: 2\r\n"), ("AB", "A: 1\r\na: \r\n"), ("b", "A: 1\r\nab: 2\r\na: \r\n")] {
            let mut out = HEAD.to_vec();
            remove(&mut out, FROM, name.as_bytes());
            assert_eq!(shown(&out), left, "{name}");
        }
    }

    #[test]
    fn the_last_line_is_lengthened_and_what_follows_stays() {
        for (name, value, left) in [
            ("ab", "3", "A: 1\r\nab: 2, 3\r\na: \r\n"),
            ("a", "3", "A: 1\r\nab: 2\r\na: 3\r\n"),
            ("ab", "", "A: 1\r\nab: 2\r\na: \r\n"),
        ] {
            let mut out = HEAD.to_vec();
            assert!(append(&mut out, FROM, name.as_bytes(), |out| out.extend_from_slice(value.as_bytes())));
            assert_eq!(shown(&out), left, "{name}");
        }
        assert!(!append(&mut HEAD.to_vec(), FROM, b"b", |_| unreachable!("there is no line")));
    }
}
