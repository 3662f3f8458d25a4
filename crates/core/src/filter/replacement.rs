//! What a regex finds in a path, and what stands there then: text with captures.

use regex_automata::meta::Regex;
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::{Input, PatternID};

use crate::route::encode::write_matched;
use crate::route::patterns;
use crate::snapshot::document;

/// Most groups of a pattern, the whole match among them, so that their places fit on the stack.
const MOST_GROUPS: usize = 32;

/// A compiled `regex`.
#[derive(Debug)]
pub(super) struct Replacement {
    regex: Regex,
    pieces: Vec<Piece>,
}

/// A part of what stands in the place of a match.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Group(usize),
}

impl Replacement {
    pub(super) fn build(replacement: &document::Replacement) -> Result<Self, String> {
        let regex = patterns::compile(&[&replacement.pattern])?;
        if regex.group_info().group_len(PatternID::ZERO) > MOST_GROUPS {
            return Err(format!("the pattern has more than {} groups", MOST_GROUPS - 1));
        }
        let pieces = read_pieces(&replacement.with, &regex)?;
        Ok(Self { regex, pieces })
    }

    /// Appends `path`, a matched form, with what is found first replaced. Nothing where nothing is found.
    pub(super) fn write(&self, path: &[u8], out: &mut Vec<u8>) -> bool {
        let mut slots: [Option<NonMaxUsize>; 2 * MOST_GROUPS] = [None; 2 * MOST_GROUPS];
        if self.regex.search_slots(&Input::new(path), &mut slots).is_none() {
            return false;
        }
        let place = |at: usize| slots.get(at).copied().flatten().map(NonMaxUsize::get);
        let group = |n: usize| path.get(place(2 * n)?..place(2 * n + 1)?);
        write_matched(out, place(0).and_then(|start| path.get(..start)).unwrap_or_default());
        for piece in &self.pieces {
            write_matched(
                out,
                match piece {
                    Piece::Text(text) => text.as_bytes(),
                    Piece::Group(n) => group(*n).unwrap_or_default(),
                },
            );
        }
        write_matched(out, place(1).and_then(|end| path.get(end..)).unwrap_or_default());
        true
    }
}

/// Why `with` cannot stand in the place of what `pattern` finds; `None` if it can.
pub fn flaw(pattern: &str, with: &str) -> Option<String> {
    let replacement = document::Replacement { pattern: pattern.into(), with: with.into() };
    Replacement::build(&replacement).err()
}

/// Reads `$1`, `${1}`, `$name`, `${name}` and `$$`.
fn read_pieces(with: &str, regex: &Regex) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut text, mut rest) = (Vec::new(), String::new(), with);
    while let Some(at) = rest.find('$') {
        let (before, dollar) = rest.split_at(at);
        text += before;
        rest = dollar.get(1..).unwrap_or_default();
        if let Some(tail) = rest.strip_prefix('$') {
            text.push('$');
            rest = tail;
            continue;
        }
        let (name, tail) = read_name(rest)?;
        if !text.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut text)));
        }
        pieces.push(Piece::Group(group_of(name, regex)?));
        rest = tail;
    }
    text += rest;
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

/// A group's name, and what follows it.
fn read_name(rest: &str) -> Result<(&str, &str), String> {
    if let Some(inner) = rest.strip_prefix('{') {
        return inner.split_once('}').ok_or_else(|| format!("`${rest}` has no `}}`"));
    }
    let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
    if end == 0 {
        return Err("a `$` names no group: `$$` is a dollar".to_owned());
    }
    Ok(rest.split_at(end))
}

fn group_of(name: &str, regex: &Regex) -> Result<usize, String> {
    let info = regex.group_info();
    let len = info.group_len(PatternID::ZERO);
    if let Some(n) = name.parse().ok().filter(|n| *n < len).or_else(|| info.to_index(PatternID::ZERO, name)) {
        return Ok(n);
    }
    let digits = name.bytes().take_while(u8::is_ascii_digit).count();
    match name.split_at(digits) {
        ("", _) => Err(format!("the pattern has no group `{name}`")),
        (_, "") => Err(format!("the pattern has no group {name}: its last one is {}", len.saturating_sub(1))),
        (number, more) => Err(format!("`${name}` names a group `{name}`: write `${{{number}}}{more}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_stand_where_they_are_named() {
        for (pattern, with, path, expected) in [
            ("^/old/(.*)$", "/new/$1", "/old/a/b", Some("/new/a/b")),
            ("^/(?<a>[^/]+)/(?<b>[^/]+)", "/${b}/$a", "/x/y/z", Some("/y/x/z")),
            ("^/user/([0-9]+)$", "/u${1}x", "/user/42", Some("/u42x")),
            ("o", "0", "/foo/o", Some("/f0o/o")),
            ("^/a$", "/price$$", "/a", Some("/price$")),
            ("^/(a)?b$", "/c$1", "/b", Some("/c")),
            ("^/b$", "/c", "/a", None),
            ("", "/x", "/a", Some("/x/a")),
            ("^/(.*)", "/n ew/$1", "/%2F \u{fc}", Some("/n%20ew/%2F%20%C3%BC")),
            ("^/a/(.*)$", "/b/$1", "/a//c", Some("/b/c")),
        ] {
            let replacement = document::Replacement { pattern: pattern.into(), with: with.into() };
            let mut out = Vec::new();
            let found = Replacement::build(&replacement).unwrap().write(path.as_bytes(), &mut out);
            assert_eq!(found.then(|| String::from_utf8(out).unwrap()).as_deref(), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn what_names_no_group_is_told() {
        for (pattern, with, says) in [
            ("^/(a)", "/$1", None),
            ("^/(a)", "/$2", Some("the pattern has no group 2: its last one is 1")),
            ("^/(a)", "/$1x", Some("`$1x` names a group `1x`: write `${1}x`")),
            ("^/(a)", "/${b}", Some("the pattern has no group `b`")),
            ("^/(a)", "/${b", Some("`${b` has no `}`")),
            ("^/(a)", "/$", Some("a `$` names no group: `$$` is a dollar")),
            ("(", "/", Some("unclosed group")),
        ] {
            assert_eq!(flaw(pattern, with).as_deref(), says, "{with}");
        }
        assert!(flaw(&"()".repeat(MOST_GROUPS), "").is_some_and(|says| says.contains("more than 31 groups")));
    }
}
