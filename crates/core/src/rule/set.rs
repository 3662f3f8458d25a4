//! Named sets: many networks or many texts, told apart by name. A million entries load in a fraction of a second.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::texts::Texts;
use crate::filter::networks::{Networks, is_network};

/// Sets by name.
#[derive(Clone, Debug, Default)]
pub struct Sets(HashMap<String, Arc<Set>>);

/// One compiled set.
#[derive(Debug)]
pub enum Set {
    /// Addresses and networks.
    Networks(Networks),
    /// Anything else.
    Texts(Texts),
}

/// The entries of a set's file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// An entry a line.
    pub lines: String,
    /// How many.
    pub count: usize,
    /// Line, from 1, and text of the first that is no network; none where all are.
    pub first_text: Option<(usize, String)>,
}

/// Reads the text of a set: an entry a line, without the blanks around it. With `comments`, a `#` that begins a line or
/// follows a blank begins a comment.
pub fn read_entries(text: &str, comments: bool) -> Entries {
    let mut all = Entries { lines: String::with_capacity(text.len()), ..Entries::default() };
    for (number, line) in (1..).zip(text.lines()) {
        let entry = if comments { before_comment(line).trim() } else { line };
        if entry.is_empty() {
            continue;
        }
        if all.count > 0 {
            all.lines.push('\n');
        }
        all.lines.push_str(entry);
        all.count += 1;
        if all.first_text.is_none() && !is_network(entry) {
            all.first_text = Some((number, entry.to_owned()));
        }
    }
    all
}

fn before_comment(line: &str) -> &str {
    let begins = |at: &usize| line.get(..*at).is_some_and(|before| before.is_empty() || before.ends_with([' ', '\t']));
    let comment = line.match_indices('#').map(|(at, _)| at).find(begins);
    comment.and_then(|at| line.get(..at)).unwrap_or(line)
}

impl Sets {
    /// The set of this name, or a sentence that says that there is none.
    pub fn get(&self, name: &str) -> Result<Arc<Set>, String> {
        self.0.get(name).cloned().ok_or_else(|| format!("there is no set `{name}`"))
    }

    /// Adds one.
    pub fn insert(&mut self, name: String, set: Arc<Set>) {
        self.0.insert(name, set);
    }
}

impl Set {
    /// Compiles `lines`, an entry a line: networks where each one is a network, else texts.
    pub fn compile(lines: &str) -> Result<Self, String> {
        let entries = || lines.split('\n').filter(|line| !line.is_empty());
        if entries().all(is_network) {
            let entries: Vec<&str> = entries().collect();
            Networks::build(&entries).map(Self::Networks).map_err(|text| format!("`{text}` is no network"))
        } else {
            Texts::compile(lines).map(Self::Texts)
        }
    }

    /// Whether it has no entry: then it is of either kind.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Networks(networks) => networks.is_empty(),
            Self::Texts(texts) => texts.is_empty(),
        }
    }

    /// How much memory it takes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Networks(networks) => networks.bytes(),
            Self::Texts(texts) => texts.bytes(),
        }
    }

    /// Whether it has a network with this address.
    pub fn has_address(&self, address: IpAddr) -> bool {
        match self {
            Self::Networks(networks) => networks.hold(Some(address)),
            Self::Texts(_) => false,
        }
    }

    /// Whether it has this text.
    pub fn has_text(&self, text: &[u8]) -> bool {
        match self {
            Self::Networks(_) => false,
            Self::Texts(texts) => texts.have(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_an_entry_a_line_and_comments() {
        let text = "# offices\n10.0.0.0/8  # Berlin\r\n\n  2001:db8::/32\t# Rome\n#10.9.9.9\n192.0.2.1";
        let read = read_entries(text, true);
        assert_eq!((read.lines.as_str(), read.count), ("10.0.0.0/8\n2001:db8::/32\n192.0.2.1", 3));
        assert_eq!(read.first_text, None);
        let read = read_entries("10.0.0.0/8\nC#\na # b", true);
        assert_eq!(read.lines, "10.0.0.0/8\nC#\na");
        assert_eq!(read.first_text, Some((2, "C#".to_owned())));
        assert_eq!(read_entries("a # b\n# c", false).lines, "a # b\n# c");
    }

    #[test]
    fn a_set_has_networks_where_all_entries_are_some() {
        let networks = Set::compile("10.0.0.0/8\n::1").unwrap();
        assert!(networks.has_address("10.1.2.3".parse().unwrap()) && !networks.has_text(b"::1"));
        let texts = Set::compile("10.0.0.0/8\nx").unwrap();
        assert!(!texts.has_address("10.1.2.3".parse().unwrap()) && texts.has_text(b"10.0.0.0/8"));
        assert!(Set::compile("").unwrap().is_empty() && !texts.is_empty());
    }
}
