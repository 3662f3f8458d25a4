//! Paths mean one thing: a path that two readers could take for two paths is refused, any other has one matched form.
//!
//! A lenient reader decodes (once, or until nothing is left to decode), merges slashes and resolves dot segments. So in
//! none of these readings may there be a dot segment, a backslash or a NUL, and where reading `%2F` as a separator
//! (`separated`) or decoding `%25` again (`deep`) gives another path, the table compares the routes.

use std::borrow::Cow;

use crate::failure::{Failure, Kind, Stage};

/// What becomes of `.` and `..` segments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DotSegments {
    /// They are refused.
    Refuse,
    /// They are resolved (RFC 3986, section 5.2.4), for old clients.
    Resolve,
}

/// The forms of one path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathForms<'a> {
    /// Every escape but `%2F` and `%25` decoded, repeated slashes merged.
    pub matched: Cow<'a, [u8]>,
    /// Only where the raw path holds `%2F`: the matched form with it read as a separator.
    pub separated: Option<Vec<u8>>,
    /// Only where decoding `%25` uncovers another escape: the path as it is when everything was decoded twice, three times,
    /// and so on until nothing is left to decode. Each could be what some reader sees: in `%25%2561b` the second time gives
    /// `%ab`, and the third one byte.
    pub deep: Vec<Vec<u8>>,
    /// Only where dot segments were resolved: what is sent instead of the raw path.
    pub forwarded: Option<Vec<u8>>,
}

/// Reads a path without its query, or `*`. Fails with `AmbiguousPath` or `MalformedRequest`.
pub fn read_path(raw: &[u8], dots: DotSegments) -> Result<PathForms<'_>, Failure> {
    if is_plain(raw) {
        return Ok(PathForms { matched: Cow::Borrowed(raw), separated: None, deep: Vec::new(), forwarded: None });
    }
    if raw == b"*" {
        return Ok(PathForms { matched: Cow::Borrowed(raw), separated: None, deep: Vec::new(), forwarded: None });
    }
    read_slowly(raw, dots)
}

/// Whether the path is its own matched form and holds nothing that could be ambiguous.
fn is_plain(raw: &[u8]) -> bool {
    let mut before = 0u8;
    if raw.first() != Some(&b'/') {
        return false;
    }
    for &byte in raw {
        if SPECIAL.get(usize::from(byte)).copied().unwrap_or(true) || (before == b'/' && matches!(byte, b'/' | b'.')) {
            return false;
        }
        before = byte;
    }
    true
}

/// Bytes that need a second look wherever they stand.
static SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        special[byte] = byte <= 0x20 || byte >= 0x7F || byte == 0x25 || byte == 0x5C || byte == 0x23 || byte == 0x3F;
        byte += 1;
    }
    special
};

fn read_slowly(raw: &[u8], dots: DotSegments) -> Result<PathForms<'_>, Failure> {
    check_bytes(raw)?;
    let forwarded = match dots {
        DotSegments::Refuse => None,
        DotSegments::Resolve => resolve(raw)?,
    };
    let path = forwarded.as_deref().unwrap_or(raw);
    let (matched, holds) = decode(path);
    let separated = holds.slash.then(|| merged(&decoded_once(path)));
    let mut deep = if holds.percent { decoded_again(path)? } else { Vec::new() };
    let readings = [Some(matched.as_slice()), separated.as_deref()].into_iter().flatten();
    for reading in readings.chain(deep.iter().map(Vec::as_slice)) {
        check_reading(reading)?;
    }
    for reading in &mut deep {
        *reading = merged(reading);
    }
    deep.retain(|reading| !is_only_percent_of(separated.as_deref().unwrap_or(&matched), reading));
    Ok(PathForms {
        matched: if matched == path && forwarded.is_none() { Cow::Borrowed(raw) } else { Cow::Owned(matched) },
        separated,
        deep,
        forwarded,
    })
}

/// Whether `deep` differs from `matched` only in that `%25` is written `%` there: no further escape came of it.
fn is_only_percent_of(matched: &[u8], deep: &[u8]) -> bool {
    let mut rest = deep;
    let mut from = matched;
    while let Some((&byte, tail)) = from.split_first() {
        from = if byte == b'%' && tail.starts_with(b"25") { tail.get(2..).unwrap_or_default() } else { tail };
        match rest.split_first() {
            Some((&same, tail)) if same == byte => rest = tail,
            _ => return false,
        }
    }
    rest.is_empty()
}

fn refuse(kind: Kind, reason: &str) -> Failure {
    Failure::new(kind, Stage::Route, reason)
}

fn ambiguous(reason: &str) -> Failure {
    refuse(Kind::AmbiguousPath, reason)
}

/// What no path may hold as it was sent.
fn check_bytes(raw: &[u8]) -> Result<(), Failure> {
    if raw.first() != Some(&b'/') {
        return Err(refuse(Kind::MalformedRequest, "the path does not begin with a slash"));
    }
    for (at, &byte) in raw.iter().enumerate() {
        match byte {
            b'\\' => return Err(ambiguous("a backslash in the path, which some read as a slash")),
            b'#' => return Err(ambiguous("a `#` in the path, where some end it")),
            0..=0x20 | 0x7F.. | b'?' => {
                return Err(refuse(Kind::MalformedRequest, "a byte in the path that must be escaped"));
            }
            b'%' if escape(raw, at).is_none() => {
                return Err(refuse(Kind::MalformedRequest, "a `%` in the path that begins no escape"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The byte that an escape at `at` stands for; `None` where there is no escape.
pub(super) fn escape(path: &[u8], at: usize) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    match path.get(at..at.checked_add(3)?)? {
        [b'%', high, low] => Some(digit(*high)? * 16 + digit(*low)?),
        _ => None,
    }
}

#[derive(Default)]
struct Holds {
    slash: bool,
    percent: bool,
}

/// The matched form.
fn decode(path: &[u8]) -> (Vec<u8>, Holds) {
    let (mut out, mut holds, mut at) = (Vec::with_capacity(path.len()), Holds::default(), 0);
    while let Some(&byte) = path.get(at) {
        match escape(path, at) {
            Some(b'/') => {
                holds.slash = true;
                out.extend_from_slice(b"%2F");
            }
            Some(b'%') => {
                holds.percent = true;
                out.extend_from_slice(b"%25");
            }
            Some(decoded) => out.push(decoded),
            None if byte == b'/' && out.last() == Some(&b'/') => {}
            None => out.push(byte),
        }
        at += if byte == b'%' && escape(path, at).is_some() { 3 } else { 1 };
    }
    (out, holds)
}

/// What a reader sees that takes `%2F` for a separator, but leaves `%25` as we do.
fn decoded_once(path: &[u8]) -> Vec<u8> {
    decoded(path, |byte| byte == b'%')
}

fn decoded(path: &[u8], is_kept: fn(u8) -> bool) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(path.len()), 0);
    while let Some(&byte) = path.get(at) {
        match escape(path, at) {
            Some(escaped) if is_kept(escaped) => {
                out.extend_from_slice(path.get(at..at + 3).unwrap_or_default());
                at += 3;
            }
            Some(escaped) => {
                out.push(escaped);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// How often an escape may stand inside another one: who writes more wants to be misread.
const MOST_PASSES: usize = 8;

/// The path when everything in it was decoded once, twice, and so on until nothing changes; and as those read it who look
/// at what they have just decoded.
fn decoded_again(path: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    loop {
        let last = all.last().map_or(path, Vec::as_slice);
        let next = decoded(last, |_| false);
        if next == last {
            break;
        }
        if all.len() == MOST_PASSES {
            return Err(ambiguous("escapes inside escapes in the path, more than 8 deep"));
        }
        all.push(next);
    }
    let greedy = decoded_fully(path);
    if !all.contains(&greedy) {
        all.push(greedy);
    }
    Ok(all)
}

/// What is left when nothing is left to decode. One pass: a byte that completes an escape is decoded where it stands.
fn decoded_fully(path: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    for &byte in path {
        out.push(byte);
        while let Some(at) = out.len().checked_sub(3)
            && let Some(escaped) = escape(&out, at)
        {
            out.truncate(at);
            out.push(escaped);
        }
    }
    out
}

fn merged(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    for &byte in path {
        if byte != b'/' || out.last() != Some(&b'/') {
            out.push(byte);
        }
    }
    out
}

/// What no reading of a path may hold.
fn check_reading(path: &[u8]) -> Result<(), Failure> {
    if path.contains(&0) {
        return Err(ambiguous("a NUL in the path, where some end it"));
    }
    if path.contains(&b'\\') {
        return Err(ambiguous("a backslash in the path, which some read as a slash"));
    }
    if (0..path.len()).any(|at| is_overlong(path.get(at..).unwrap_or_default())) {
        return Err(ambiguous("an overlong UTF-8 sequence in the path, which some read as a dot or slash"));
    }
    if path.split(|byte| *byte == b'/').any(is_dot_segment) {
        return Err(ambiguous("a dot segment in the path"));
    }
    Ok(())
}

/// Whether it begins with a character in more bytes than it needs, as some decoders still accept it (RFC 3629, section
/// 10), up to the six bytes that were allowed once (RFC 2279, section 2).
fn is_overlong(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [0xC0 | 0xC1, 0x80..=0xBF, ..]
            | [0xE0, 0x80..=0x9F, 0x80..=0xBF, ..]
            | [0xF0, 0x80..=0x8F, 0x80..=0xBF, ..]
            | [0xF8, 0x80..=0x87, 0x80..=0xBF, ..]
            | [0xFC, 0x80..=0x83, 0x80..=0xBF, ..]
    )
}

/// `.` and `..`, also with a parameter (`..;x`, which servlet containers cut off) or with blanks or controls behind (which
/// Windows and Java's `trim` cut off).
fn is_dot_segment(segment: &[u8]) -> bool {
    let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
    let end = name.iter().rposition(|byte| *byte > b' ').map_or(0, |last| last + 1);
    matches!(name.get(..end), Some(b"." | b".."))
}

/// Resolves plain and escaped dots. `None` where there are none; what else could be read as a dot segment is left for
/// [`check_reading`] to refuse.
fn resolve(raw: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    let dots = |segment: &[u8]| match decoded(segment, |byte| byte != b'.').as_slice() {
        b"." => 1,
        b".." => 2,
        _ => 0,
    };
    let mut segments = raw.get(1..).unwrap_or_default().split(|byte| *byte == b'/').peekable();
    let (mut kept, mut found): (Vec<&[u8]>, bool) = (Vec::new(), false);
    while let Some(segment) = segments.next() {
        let count = dots(segment);
        found |= count > 0;
        match count {
            0 => kept.push(segment),
            1 => {}
            _ if kept.last().is_some_and(|last| last.is_empty()) => {
                return Err(ambiguous("`..` behind an empty segment, which some merge first"));
            }
            _ => {
                kept.pop();
            }
        }
        if count > 0 && segments.peek().is_none() {
            kept.push(b""); // `/a/..` is `/`, with the slash
        }
    }
    let mut path = vec![b'/'];
    path.extend_from_slice(&kept.join(&b'/'));
    Ok(found.then_some(path))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(raw: &str) -> Result<PathForms<'_>, Kind> {
        read_path(raw.as_bytes(), DotSegments::Refuse).map_err(|failure| failure.kind)
    }

    #[test]
    fn what_two_readers_could_take_for_two_paths_is_refused() {
        for raw in [
            "/../",
            "/..",
            "/.",
            "/a/./b",
            "/a/../b",
            "/%2e%2e/",
            "/.%2e",
            "/%2E.",
            "/..;x",
            "/..;/a",
            "/.;a/b",
            "/..%3bx",
            "/a\\b",
            "/a%5cb",
            "/a%5Cb",
            "/a%00",
            "/a%2F..%2Fb",
            "/..%2Fb",
            "/a%2f.",
            "/%252e%252e/",
            "/%25252e./x",
            "/a%255c",
            "/a%2500",
            "/..%5C",
            "/a#b",
            "/%c0%ae%c0%ae/",
            "/%e0%80%ae/x",
            "/%f0%80%80%ae/x",
            "/%f8%80%80%80%af",
            "/%fc%80%80%80%80%ae",
            "/%25f0%2580%2580%25ae",
            "/..%0b/x",
            "/..%20/x",
            "/a//../b",
            "/.//b",
            "/%25%32%65./",
            "/x%252F..",
        ] {
            assert_eq!(read(raw).err(), Some(Kind::AmbiguousPath), "{raw}");
        }
        for raw in ["", "a", "/%", "/%2", "/%zz", "/%u002e", "/a b", "/a\u{e9}", "/\u{7f}", "/a?b"] {
            assert_eq!(read(raw).err(), Some(Kind::MalformedRequest), "{raw}");
        }
    }

    #[test]
    fn what_remains_has_one_matched_form() {
        for (raw, matched) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/.well-known/x", "/.well-known/x"),
            ("/a..b/...", "/a..b/..."),
            ("//a///b//", "/a/b/"),
            ("/%61%2fb", "/a%2Fb"),
            ("/100%25", "/100%25"),
            ("/a%20b", "/a b"),
            ("/%f0%9f%98%80", "/\u{1F600}"),
            ("*", "*"),
        ] {
            assert_eq!(read(raw).map(|forms| forms.matched.into_owned()), Ok(matched.as_bytes().to_vec()), "{raw}");
        }
        assert_eq!(read("/a%2F/b").unwrap().separated.as_deref(), Some(b"/a/b".as_slice()));
        assert_eq!(read("/%2561").unwrap().deep, [b"/a"]);
        assert_eq!(read("/%25%2561b").unwrap().deep, [&b"/%ab"[..], b"/\xab"]);
        assert!(read("/100%25").unwrap().deep.is_empty());
        assert!(read(&format!("/%{}41", "25".repeat(7))).is_ok());
        assert!(read(&format!("/%{}41", "25".repeat(8))).is_err());
    }

    #[test]
    fn dots_are_resolved_for_old_clients() {
        for (raw, sent) in
            [("/a/../b", "/b"), ("/a/%2e%2E", "/"), ("/a/./b/.", "/a/b/"), ("/../..", "/"), ("/a/b/..", "/a/")]
        {
            let forms = read_path(raw.as_bytes(), DotSegments::Resolve).unwrap();
            assert_eq!(forms.forwarded.as_deref(), Some(sent.as_bytes()), "{raw}");
            assert_eq!(forms.matched.as_ref(), sent.as_bytes());
        }
        assert_eq!(read_path(b"/a/b", DotSegments::Resolve).unwrap().forwarded, None);
        for raw in ["/a//../b", "/..;x/", "/a%2F../b", "/%252e%252e/"] {
            assert!(read_path(raw.as_bytes(), DotSegments::Resolve).is_err(), "{raw}");
        }
    }

    /// A backend that decodes as often as it can, merges, and resolves whatever looks like a dot segment.
    fn lenient(path: &[u8], times: usize) -> Vec<u8> {
        let mut path = path.to_vec();
        for _ in 0..times {
            path = decoded(&path, |_| false);
        }
        let mut kept: Vec<Vec<u8>> = Vec::new();
        for segment in path.split(|byte| matches!(byte, b'/' | b'\\')) {
            match segment.split(|byte| *byte == b';').next().unwrap_or_default() {
                b"" if segment.is_empty() => {}
                b"." => {}
                b".." => drop(kept.pop()),
                _ => kept.push(segment.to_vec()),
            }
        }
        kept.join(&b'/')
    }

    proptest! {
        #[test]
        fn a_lenient_reader_sees_one_of_our_readings(
            parts in prop::collection::vec(prop::sample::select(vec![
                "/", ".", "..", "%2e", "%2F", "%2f", "%5c", "%25", "2e", "2F", "a", "b", ";", "%00", "%61", "//", "5c", "25",
            ]), 0..10),
            resolves: bool,
        ) {
            let raw = format!("/{}", parts.concat());
            let dots = if resolves { DotSegments::Resolve } else { DotSegments::Refuse };
            if let Ok(forms) = read_path(raw.as_bytes(), dots) {
                let sent = forms.forwarded.as_deref().unwrap_or(raw.as_bytes());
                let matched = merged(&decoded(&forms.matched, |_| false));
                let separated = forms.separated.as_ref().map(|path| merged(&decoded(path, |_| false)));
                let once = merged(&decoded(sent, |_| false));
                prop_assert!(once == matched || Some(&once) == separated.as_ref());
                // No reading is changed by resolving, so none can climb.
                for times in 1..6 {
                    let mut read = sent.to_vec();
                    for _ in 0..times {
                        read = decoded(&read, |_| false);
                    }
                    let plain: Vec<&[u8]> = read.split(|byte| *byte == b'/').filter(|s| !s.is_empty()).collect();
                    prop_assert_eq!(lenient(sent, times), plain.join(&b'/'));
                }
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(raw in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = read_path(&raw, DotSegments::Resolve);
            let _ = read_path(&raw, DotSegments::Refuse);
        }

        #[test]
        fn the_quick_way_and_the_slow_way_agree(raw in "/[a-z./%;25eEfF]{0,12}") {
            if is_plain(raw.as_bytes()) {
                let slow = read_slowly(raw.as_bytes(), DotSegments::Refuse);
                prop_assert_eq!(slow.map(|forms| forms.matched.into_owned()), Ok(raw.into_bytes()));
            }
        }
    }
}
