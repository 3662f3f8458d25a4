//! The regexes of one host, matched as a set: the longest pattern that is found wins.

use regex_automata::meta::{BuildError, Regex};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind, PatternSet};

/// Most bytes that the compiled patterns of one host may take.
const MOST_BYTES: usize = 32 << 20;

/// Regexes, the strongest first.
#[derive(Debug)]
pub(crate) struct Patterns {
    set: Regex,
    /// Finds all at once, where the strongest may not do.
    all: Option<Regex>,
    texts: Vec<String>,
}

impl Patterns {
    /// Compiles patterns that stand in the order of their strength.
    pub(crate) fn build(patterns: &[&str]) -> Result<Self, String> {
        // In a set each pattern may begin anywhere behind the start, so that of all that are found the first in order
        // wins, not the one that is found first.
        let texts: Vec<String> = match patterns {
            [only] => vec![(*only).to_owned()],
            many => many.iter().map(|pattern| format!("(?s-u:.)*?(?:{pattern})")).collect(),
        };
        Ok(Self { set: compile(&texts)?, all: None, texts })
    }

    /// The same, made ready to look behind the strongest.
    pub(super) fn with_others(self, patterns: &[&str]) -> Result<Self, String> {
        let all = (patterns.len() > 1).then(|| compile_as(patterns, MatchKind::All)).transpose()?;
        Ok(Self { all, ..self })
    }

    /// The strongest that is found in `path`.
    pub(crate) fn find(&self, path: &[u8]) -> Option<usize> {
        if self.texts.len() == 1 {
            return self.set.is_match(path).then_some(0);
        }
        let input = Input::new(path).anchored(Anchored::Yes);
        self.set.search_half(&input).map(|found| found.pattern().as_usize())
    }

    /// All that are found in `path`, the strongest first.
    pub(super) fn find_all(&self, path: &[u8]) -> Vec<usize> {
        if let Some(all) = &self.all {
            let mut found = PatternSet::new(all.pattern_len());
            all.which_overlapping_matches(&Input::new(path), &mut found);
            return found.iter().map(|pattern| pattern.as_usize()).collect();
        }
        self.find_one_by_one(path)
    }

    /// Compiles each anew: for `explain`, which has the time.
    fn find_one_by_one(&self, path: &[u8]) -> Vec<usize> {
        let found = |text: &String| Self::build(&[text]).is_ok_and(|one| one.find(path).is_some());
        (0..).zip(&self.texts).filter(|(_, text)| found(text)).map(|(at, _)| at).collect()
    }
}

/// Compiles patterns of the one dialect: over bytes, and bounded. Says what is wrong with them.
pub(crate) fn compile<T: AsRef<str>>(patterns: &[T]) -> Result<Regex, String> {
    compile_as(patterns, MatchKind::LeftmostFirst)
}

fn compile_as<T: AsRef<str>>(patterns: &[T], kind: MatchKind) -> Result<Regex, String> {
    Regex::builder()
        .configure(Regex::config().match_kind(kind).nfa_size_limit(Some(MOST_BYTES)).utf8_empty(false))
        .syntax(syntax::Config::new().utf8(false))
        .build_many(patterns)
        .map_err(|error| reason(&error))
}

/// The last line of a syntax error says what is wrong; those before it draw the pattern.
fn reason(error: &BuildError) -> String {
    match error.syntax_error().map(ToString::to_string) {
        Some(text) => text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
        None if error.size_limit().is_some() => format!("it takes more than {} MiB when compiled", MOST_BYTES >> 20),
        None => error.to_string(),
    }
}

/// Why `pattern` is not one of the dialect; `None` if it is.
pub fn flaw(pattern: &str) -> Option<String> {
    Patterns::build(&[pattern]).err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_wins_wherever_it_is_found() {
        let set = Patterns::build(&["zz+$", "^/a", "b"]).unwrap();
        assert_eq!(set.find(b"/a/b/zzz"), Some(0));
        assert_eq!(set.find(b"/a/b"), Some(1));
        assert_eq!(set.find(b"/x/b\xff"), Some(2));
        assert_eq!(set.find(b"/x/a"), None);
    }

    #[test]
    fn all_are_found_at_once_as_they_are_one_by_one() {
        let patterns = ["zz+$", "^/a", "b", "b", "(?i)A/b", "$"];
        let set = Patterns::build(&patterns).unwrap().with_others(&patterns).unwrap();
        for path in [&b"/a/b/zzz"[..], b"/a/b", b"/x/b\xff", b"/x", b""] {
            assert_eq!(set.find_all(path), set.find_one_by_one(path), "{path:?}");
        }
        assert_eq!(set.find_all(b"/a/b"), [1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_pattern_cannot_leave_its_group() {
        assert!(flaw("a)(b").is_some());
        assert!(flaw("(").is_some());
    }
}
