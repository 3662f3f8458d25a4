//! What edits make of a head, and what none of them can do to it.

use proptest::prelude::*;

use super::*;
use crate::filter::tests::with_subject;
use crate::snapshot::document::HeaderEdits as Document;

fn edits(filters: &[Document]) -> Result<HeaderEdits, String> {
    HeaderEdits::build(filters.iter(), None).map(Option::unwrap_or_default)
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, document::Template)> {
    all.iter().map(|(name, value)| ((*name).to_owned(), literal(value))).collect()
}

fn literal(value: &str) -> document::Template {
    document::Template(vec![document::Text::Literal(value.to_owned())])
}

fn text(template: &document::Template) -> &str {
    match template.0.as_slice() {
        [document::Text::Literal(text)] => text.trim_matches([' ', '\t']),
        _ => unreachable!("these have no holes"),
    }
}

fn set(all: &[(&str, &str)]) -> Document {
    Document { set: pairs(all), ..Document::default() }
}

fn add(all: &[(&str, &str)]) -> Document {
    Document { add: pairs(all), ..Document::default() }
}

fn append(all: &[(&str, &str)]) -> Document {
    Document { append: pairs(all), ..Document::default() }
}

fn remove(names: &[&str]) -> Document {
    Document { remove: names.iter().map(|name| (*name).to_owned()).collect(), ..Document::default() }
}

/// What is left of the lines that came and of ours, and what the edits add.
fn edited(edits: &HeaderEdits, came: &[(&str, &str)], ours: &[(&str, &str)]) -> String {
    let mut out = b"GET / HTTP/1.1\r\n".to_vec();
    let from = out.len();
    let write = |out: &mut Vec<u8>, (name, value): &(&str, &str)| out.extend(format!("{name}: {value}\r\n").bytes());
    came.iter().filter(|(name, _)| !edits.replaces(name.as_bytes())).for_each(|line| write(&mut out, line));
    let behind = out.len();
    ours.iter().for_each(|line| write(&mut out, line));
    with_subject(&[("X-Name", "a\0b"), ("X-Blank", " ")], |subject| edits.finish(&mut out, from, behind, subject));
    String::from_utf8(out[from..].to_vec()).unwrap().trim_end().replace("\r\n", " | ")
}

#[test]
fn each_edit_does_what_its_name_says() {
    let came = [("A", "1"), ("b", "2"), ("a", "3")];
    for (filters, expected) in [
        (vec![set(&[("a", "9")])], "b: 2 | a: 9"),
        (vec![set(&[("C", "9")])], "A: 1 | b: 2 | a: 3 | C: 9"),
        (vec![add(&[("a", "9")])], "A: 1 | b: 2 | a: 3 | a: 9"),
        (vec![append(&[("a", "9")])], "A: 1 | b: 2 | a: 3, 9"),
        (vec![append(&[("b", "9")])], "A: 1 | b: 2, 9 | a: 3"),
        (vec![append(&[("c", "9")])], "A: 1 | b: 2 | a: 3 | c: 9"),
        (vec![remove(&["A"])], "b: 2"),
        (vec![remove(&["c"])], "A: 1 | b: 2 | a: 3"),
        (vec![set(&[("a", "")])], "b: 2"),
        (vec![add(&[("a", "")]), append(&[("b", "")])], "A: 1 | b: 2 | a: 3"),
        (vec![set(&[("a", "9"), ("b", "8"), ("c", "7")])], "a: 9 | b: 8 | c: 7"),
    ] {
        assert_eq!(edited(&edits(&filters).unwrap(), &came, &[]), expected, "{filters:?}");
    }
}

#[test]
fn filters_of_one_kind_run_as_written() {
    let came = [("a", "1")];
    for (filters, expected) in [
        (vec![set(&[("a", "8")]), append(&[("A", "9")])], "a: 8, 9"),
        (vec![append(&[("a", "8")]), set(&[("a", "9")])], "a: 9"),
        (vec![append(&[("a", "8")]), append(&[("a", "9")])], "a: 1, 8, 9"),
        (vec![append(&[("a", "7")]), add(&[("a", "8")]), append(&[("a", "9")])], "a: 1, 7 | a: 8, 9"),
        (vec![add(&[("a", "8")]), remove(&["a"])], ""),
        (vec![remove(&["a"]), append(&[("a", "8")]), add(&[("a", "9")])], "a: 8 | a: 9"),
        (vec![set(&[("a", "")]), append(&[("a", "9")])], "a: 9"),
    ] {
        assert_eq!(edited(&edits(&filters).unwrap(), &came, &[]), expected, "{filters:?}");
    }
}

#[test]
fn the_proxy_s_own_lines_are_edited_too() {
    let (came, ours) = ([("via", "1.1 a")], [("x-forwarded-for", "192.0.2.1"), ("via", "1.1 tidegate")]);
    for (filter, expected) in [
        (set(&[("X-Forwarded-For", "me")]), "via: 1.1 a | via: 1.1 tidegate | X-Forwarded-For: me"),
        (append(&[("X-Forwarded-For", "me")]), "via: 1.1 a | x-forwarded-for: 192.0.2.1, me | via: 1.1 tidegate"),
        (remove(&["Via"]), "x-forwarded-for: 192.0.2.1"),
        (append(&[("via", "1.1 b")]), "via: 1.1 a | x-forwarded-for: 192.0.2.1 | via: 1.1 tidegate, 1.1 b"),
    ] {
        assert_eq!(edited(&edits(std::slice::from_ref(&filter)).unwrap(), &came, &ours), expected, "{filter:?}");
    }
    let named = HeaderEdits::build([remove(&["X-Trace"])].iter(), Some("x-trace")).unwrap().unwrap();
    assert_eq!(edited(&named, &[], &[("x-trace", "id"), ("via", "1.1 tidegate")]), "via: 1.1 tidegate");
}

#[test]
fn what_a_backend_could_take_for_the_name_ends_as_well() {
    let came = [("X_User", "root"), ("x.user", "root"), ("X-Users", "a"), ("x-use", "b")];
    assert_eq!(edited(&edits(&[set(&[("X-User", "me")])]).unwrap(), &came, &[]), "X-Users: a | x-use: b | X-User: me");
}

const CONTROL: &str = "the value of `a`: a control character stands in a template whose text goes into a head";

#[test]
fn a_value_is_made_of_the_request_and_ends_no_line() {
    let hole = |name: &str| document::Text::Joined(document::Repeated::Header(name.to_owned()));
    for (parts, expected) in [
        (vec![document::Text::Word(document::Word::RequestPath)], "X: /a b"),
        (vec![document::Text::Word(document::Word::ClientIp)], "X: 203.0.113.9"),
        (vec![document::Text::Literal("n=".into()), hole("x-name")], "X: n=a b"),
        (vec![hole("x-none")], ""),
        (vec![hole("x-blank")], ""),
    ] {
        let filter = Document { set: vec![("X".into(), document::Template(parts))], ..Document::default() };
        assert_eq!(edited(&edits(&[filter]).unwrap(), &[("x", "0")], &[]), expected);
    }
}

#[test]
fn what_frames_a_message_or_ends_a_line_is_no_edit() {
    for (name, value, says) in [
        ("Host", "a", "no filter may write `Host`"),
        ("content_length", "1", "no filter may write `content_length`"),
        ("Transfer.Encoding", "chunked", "no filter may write `Transfer.Encoding`"),
        ("a b", "1", "`a b` is no name of a field"),
        ("", "1", "`` is no name of a field"),
        ("a\r\nb", "1", "`a\\r\\nb` is no name of a field"),
        ("a", "1\r\nb: 2", CONTROL),
        ("a", "\0", CONTROL),
    ] {
        for filter in [set(&[(name, value)]), add(&[(name, value)]), append(&[(name, value)])] {
            assert_eq!(edits(&[filter]).unwrap_err(), says);
        }
    }
    for name in FIXED {
        assert!(edits(&[remove(&[name])]).is_err(), "{name}");
        assert_ne!(Known::of(name.as_bytes()), Known::Other, "{name}");
    }
}

fn any_filter() -> impl Strategy<Value = Document> {
    let name = || prop::sample::select(vec!["a", "A", "b", "via", "host", "content-length", "Content_Length", "c d"]);
    let value = || prop::sample::select(vec!["", "1", "x, y", " z ", "e\r\nhost: f", "\t", "\u{fc}"]);
    let lines = move || prop::collection::vec((name(), value()), 0..3);
    (lines(), lines(), lines(), prop::collection::vec(name(), 0..2)).prop_map(|(set, add, append, remove)| Document {
        set: pairs(&set),
        add: pairs(&add),
        append: pairs(&append),
        remove: remove.into_iter().map(str::to_owned).collect(),
    })
}

proptest! {
    /// The edits against a plain list of lines to which each filter is done in turn.
    #[test]
    fn edits_are_what_they_would_be_one_by_one(
        filters in prop::collection::vec(any_filter(), 1..4),
        came in prop::collection::vec((prop::sample::select(vec!["a", "b", "A", "e"]), prop::sample::select(vec!["1", ""])), 0..4),
    ) {
        let Ok(edits) = edits(&filters) else { return Ok(()) };
        let mut lines: Vec<(String, String)> =
            came.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let is = |name: &str| { let name = name.to_owned(); move |line: &(String, String)| line.0.eq_ignore_ascii_case(&name) };
        for filter in &filters {
            for name in &filter.remove {
                lines.retain(|line| !is(name)(line));
            }
            for (name, value) in &filter.set {
                lines.retain(|line| !is(name)(line));
                lines.push((name.clone(), text(value).to_owned()));
            }
            for (name, value) in &filter.add {
                lines.push((name.clone(), text(value).to_owned()));
            }
            for (name, value) in &filter.append {
                match lines.iter_mut().rev().find(|line| is(name)(line)) {
                    Some(_) if text(value).is_empty() => {}
                    Some(line) if line.1.is_empty() => line.1 = text(value).to_owned(),
                    Some(line) => line.1 = format!("{}, {}", line.1, text(value)),
                    None => lines.push((name.clone(), text(value).to_owned())),
                }
            }
        }
        let shown = |lines: Vec<(String, String)>| {
            let mut shown: Vec<_> = lines.into_iter().filter(|line| !line.1.is_empty())
                .map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
            shown.sort_by(|a, b| a.0.cmp(&b.0)); // lines of one name keep their order, and no other order matters
            shown
        };
        let out = edited(&edits, &came, &[]);
        let found = out.split(" | ").filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
        prop_assert_eq!(shown(found), shown(lines));
    }

    #[test]
    fn no_edit_makes_a_line_of_its_own_or_one_that_frames(filters in prop::collection::vec(any_filter(), 1..4)) {
        if let Ok(edits) = edits(&filters) {
            for line in edited(&edits, &[("a", "1")], &[("via", "1.1 tidegate")]).split(" | ").filter(|line| !line.is_empty()) {
                let name = line.split_once(": ").expect("a line has a name").0;
                prop_assert!(["a", "b", "via"].contains(&name.to_ascii_lowercase().as_str()), "{}", line);
            }
        }
    }
}
