//! What rewrites make of a path, and where a lenient reader lands behind them.

use proptest::prelude::*;

use super::*;
use crate::filter::tests::with_subject;
use crate::snapshot::document::Rewrite as Document;

fn strip(prefix: &str) -> Document {
    Document { strip_prefix: Some(prefix.into()), ..Document::default() }
}

fn add(prefix: &str) -> Document {
    Document { add_prefix: Some(prefix.into()), ..Document::default() }
}

fn regex(pattern: &str, with: &str) -> Document {
    let regex = document::Replacement { pattern: pattern.into(), with: with.into() };
    Document { regex: Some(regex), ..Document::default() }
}

fn template(text: &str) -> Option<document::Template> {
    Some(document::Template(vec![document::Text::Literal(text.into())]))
}

fn holes(parts: &[(&str, document::Text)]) -> Option<document::Template> {
    let parts = parts.iter().flat_map(|(text, hole)| [document::Text::Literal((*text).into()), hole.clone()]);
    Some(document::Template(parts.collect()))
}

/// The path that is sent, where it is another one.
fn sent(rewrites: &[Document], path: &str) -> Result<Option<String>, Failure> {
    let mut to = Rewritten::default();
    for rewrite in rewrites {
        with_subject(&[], |subject| Rewrite::build(rewrite).unwrap().apply(path.as_bytes(), &mut to, subject))?;
    }
    Ok((!to.path.is_empty()).then(|| String::from_utf8(to.path).unwrap()))
}

#[test]
fn prefixes_come_and_go_on_segment_borders() {
    let both = Document { add_prefix: Some("/v2/".into()), ..strip("/v1/") };
    for (rewrite, path, expected) in [
        (strip("/v1"), "/v1", Some("/")),
        (strip("/v1"), "/v1/", Some("/")),
        (strip("/v1"), "/v1/x/", Some("/x/")),
        (strip("/v1/"), "/v1", Some("/")),
        (strip("/v1"), "/v10", None),
        (strip("/v1"), "/V1/x", None),
        (strip("/v1"), "/v1//x%41//y", Some("/xA/y")),
        (strip("/v1"), "/%761/a%2fb%3Bc%25", Some("/a%2Fb%3Bc%25")),
        (strip("/a b"), "/a%20b/c", Some("/c")),
        (strip("/v1"), "/x//y%41", None),
        (add("/api"), "/", Some("/api/")),
        (add("/a b/"), "/x", Some("/a%20b/x")),
        (both.clone(), "/v1/x", Some("/v2/x")),
        (both, "/x", Some("/v2/x")),
        (Document { path: template("/index.html"), ..Document::default() }, "/a/b", Some("/index.html")),
    ] {
        assert_eq!(sent(std::slice::from_ref(&rewrite), path).unwrap().as_deref(), expected, "{rewrite:?} {path}");
    }
}

#[test]
fn a_regex_reads_the_matched_form_and_what_it_writes_is_escaped() {
    let all = Document { strip_prefix: Some("/v1".into()), add_prefix: Some("/x".into()), ..regex("^/(.+)$", "/[$1]") };
    for (rewrite, path, expected) in [
        (regex("^/user/([0-9]+)$", "/users/$1/profile"), "/user/42", Some("/users/42/profile")),
        (regex("^/a b$", "/c d"), "/a%20b", Some("/c%20d")),
        (regex("^/a/(.*)$", "/$1"), "/a/%c3%bc%2F%3f", Some("/%C3%BC%2F%3F")),
        (regex("^/a$", "b"), "/a", Some("/b")),
        (regex("^/a", ""), "/a", Some("/")),
        (regex("^/old(.*)$", "/new/$1"), "/old/x", Some("/new/x")),
        (regex("^/a$", "/b"), "/x%41", None),
        (all.clone(), "/v1/a%3B", Some("/x/%5Ba;%5D")),
        (all, "/v1", Some("/x/")),
    ] {
        assert_eq!(sent(std::slice::from_ref(&rewrite), path).unwrap().as_deref(), expected, "{rewrite:?} {path}");
    }
}

#[test]
fn what_would_be_two_paths_is_refused() {
    for (rewrite, path, says) in [
        (regex("^/a(.*)b$", "/$1"), "/a..b", "the path would be `/..`: a dot segment in the path"),
        (regex("x", ""), "/a/.x./b", "the path would be `/a/../b`: a dot segment in the path"),
        (regex("x", ""), "/a%2Fx..", "the path would be `/a%2F..`: a dot segment in the path"),
        (regex("x%25x", "2e%252e"), "/%25x%25x", "the path would be `/%252e%252e`: a dot segment in the path"),
        (regex("^/x", "/.;"), "/x", "the path would be `/.;`: a dot segment in the path"),
    ] {
        let failure = sent(std::slice::from_ref(&rewrite), path).unwrap_err();
        assert_eq!((failure.kind, failure.reason.as_str()), (Kind::RewriteRefused, says), "{path}");
    }
}

#[test]
fn rewrites_run_one_after_another() {
    let all = [strip("/v1"), regex("^/a/(.*)", "/b/$1"), add("/v2"), strip("/nothing")];
    assert_eq!(sent(&all, "/v1/a/x").unwrap().as_deref(), Some("/v2/b/x"));
    assert_eq!(sent(&all[..2], "/a").unwrap(), None);
}

#[test]
fn query_and_host_are_replaced_beside_the_path() {
    let rewrite = Document { query: template("a=b c#"), host: template("api.internal:80"), ..Document::default() };
    let mut to = Rewritten::default();
    with_subject(&[], |subject| Rewrite::build(&rewrite).unwrap().apply(b"/x", &mut to, subject)).unwrap();
    assert_eq!((to.path.as_slice(), to.query.as_deref()), (b"".as_slice(), Some(b"a=b%20c%23".as_slice())));
    assert_eq!(to.host, b"api.internal:80");
    for host in ["", "a b", "a/b", "a:b", "a,b", "a\r\nb", "user@a"] {
        let rewrite = Document { host: template(host), ..Document::default() };
        assert!(Rewrite::build(&rewrite).is_err(), "{host}");
    }
}

#[test]
fn holes_are_escaped_and_what_comes_of_them_is_looked_at() {
    use document::{Repeated, Text, Word};
    let term = |name: &str| Text::Joined(Repeated::Query(name.into()));
    let path = |parts: &[(&str, Text)]| Document { path: holes(parts), ..Document::default() };
    for (rewrite, expected) in [
        (path(&[("/x", Text::Word(Word::RequestPath))]), Ok("/x/a%20b")),
        (path(&[("/x/", term("slash"))]), Ok("/x/..%2Fetc")),
        (path(&[("/a b/", term("none")), ("/", term("none"))]), Ok("/a%20b/")),
        (path(&[("", term("none"))]), Ok("/")),
        (path(&[("/x/", term("dots"))]), Err("the path would be `/x/..`: a dot segment in the path")),
    ] {
        let mut to = Rewritten::default();
        let done = with_subject(&[], |subject| Rewrite::build(&rewrite).unwrap().apply(b"/", &mut to, subject));
        let sent = String::from_utf8(to.path).unwrap();
        match expected {
            Ok("/x/..%2Fetc") => assert!(done.unwrap_err().reason.contains("a dot segment in the path")),
            Ok(path) => assert_eq!((done.is_ok(), sent.as_str()), (true, path)),
            Err(says) => assert_eq!(done.unwrap_err().reason, says),
        }
    }
    let rewrite = Document { host: holes(&[("", term("slash"))]), ..Document::default() };
    let apply =
        |subject: &Subject<'_>| Rewrite::build(&rewrite).unwrap().apply(b"/", &mut Rewritten::default(), subject);
    assert_eq!(with_subject(&[], apply).unwrap_err().reason, "the host would be `../etc`, which is none");
}

/// A backend that decodes as often as it can, merges slashes, resolves dots, and cuts parameters.
fn lenient(path: &[u8], times: usize) -> Vec<Vec<u8>> {
    let mut path = path.to_vec();
    for _ in 0..times {
        let (mut out, mut rest) = (Vec::new(), path.as_slice());
        while let Some((&byte, tail)) = rest.split_first() {
            let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
            let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| byte == b'%');
            out.push(escaped.unwrap_or(byte));
            rest = if escaped.is_some() { &tail[2..] } else { tail };
        }
        path = out;
    }
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for segment in path.split(|byte| matches!(byte, b'/' | b'\\')).filter(|segment| !segment.is_empty()) {
        match segment.split(|byte| *byte == b';').next().unwrap_or_default() {
            b"." => {}
            b".." => drop(kept.pop()),
            _ => kept.push(segment.to_vec()),
        }
    }
    kept
}

proptest! {
    #[test]
    fn a_lenient_reader_lands_where_we_meant(
        parts in prop::collection::vec(prop::sample::select(vec![
            "/", ".", "..", "%2e", "%2F", "%2f", "%5c", "%25", "2e", "2F", "a", "b", ";", "%3b", "%61", "//", "%20", "+", "%2B",
        ]), 0..10),
        times in 0usize..4,
    ) {
        let raw = format!("/v%31/{}", parts.concat());
        if read_path(raw.as_bytes(), DotSegments::Refuse).is_err() {
            return Ok(());
        }
        let rewrite = Document { add_prefix: Some("/x/y".into()), ..strip("/v1") };
        let path = sent(&[rewrite], &raw).expect("what was one path is one").expect("the prefix was there");
        let mut meant = vec![b"x".to_vec(), b"y".to_vec()];
        meant.extend(lenient(raw.as_bytes(), times.max(1)).into_iter().skip(1));
        // A reader that decodes nothing sees escapes where we spell letters: it lands there too, in its own spelling.
        prop_assert_eq!(lenient(path.as_bytes(), times.max(1)), meant, "{} became {}", raw, path);
    }

    #[test]
    fn what_a_regex_makes_has_one_meaning_or_is_refused(
        parts in prop::collection::vec(prop::sample::select(vec!["/", ".", "%2F", "%25", "2e", "a", "x", ";", "%20"]), 0..8),
        with in prop::sample::select(vec!["", ".", "/", "$1", "..", "%2F", "a b", "2e"]),
    ) {
        let raw = format!("/{}", parts.concat());
        if read_path(raw.as_bytes(), DotSegments::Refuse).is_ok()
            && let Ok(Some(path)) = sent(&[regex("(x|a.)", with)], &raw)
        {
            let forms = read_path(path.as_bytes(), DotSegments::Refuse);
            prop_assert!(forms.is_ok() && !path.contains("//"), "{} became {}", raw, path);
            for times in 0..4 {
                prop_assert!(!lenient(path.as_bytes(), times).iter().any(|segment| segment == b".."), "{}", path);
            }
        }
    }
}
