//! What gives yes or no.

use std::sync::Arc;

use super::pattern::Pattern;
use super::repeated::Repeated;
use super::set::{Set, Sets};
use super::subject::Subject;
use super::text::Text;
use super::{MOST_LEVELS, number};
use crate::filter::networks::Networks;
use crate::snapshot::document::{self, Comparison, Number};

/// A compiled condition.
#[derive(Debug)]
pub struct Rule(Node);

#[derive(Debug)]
enum Node {
    Always(bool),
    All(Box<[Node]>),
    Any(Box<[Node]>),
    Not(Box<Node>),
    /// The usual comparison: with a text that is written out.
    Is(Text, Box<[u8]>),
    Texts(Text, Comparison, Text),
    Numbers(Number, Comparison, Number),
    Contains(Text, Text),
    /// Sorted.
    OneOf(Text, Box<[Box<[u8]>]>),
    AmongAll(Text, Repeated),
    NumberOneOf(Number, Box<[i64]>),
    StartsWith(Text, Box<[Text]>),
    EndsWith(Text, Box<[Text]>),
    Matches(Text, Box<Pattern>),
    ClientWithin(Networks),
    ClientInSet(Arc<Set>),
    TextInSet(Text, Arc<Set>),
}

impl Rule {
    /// Compiles. Fails with a sentence on a pattern, a network or a set that is none; `check` has said all of these.
    pub fn compile(written: &document::Rule, sets: &Sets) -> Result<Self, String> {
        Node::compile(written, sets, 0).map(Self)
    }

    /// Whether it holds for this request.
    pub fn holds(&self, subject: &Subject<'_>) -> bool {
        self.0.holds(subject)
    }
}

impl Node {
    fn compile(written: &document::Rule, sets: &Sets, level: usize) -> Result<Self, String> {
        if level >= MOST_LEVELS {
            return Err(format!("an expression is more than {MOST_LEVELS} levels deep"));
        }
        let text = |text: &document::Text| Text::compile_at(text, level + 1);
        let texts = |all: &[document::Text]| all.iter().map(text).collect::<Result<Box<[_]>, _>>();
        let each = |all: &[document::Rule]| {
            all.iter().map(|rule| Self::compile(rule, sets, level + 1)).collect::<Result<Box<[_]>, _>>()
        };
        Ok(match written {
            document::Rule::Always(always) => Self::Always(*always),
            document::Rule::All(all) => Self::All(each(all)?),
            document::Rule::Any(any) => Self::Any(each(any)?),
            document::Rule::Not(rule) => Self::Not(Box::new(Self::compile(rule, sets, level + 1)?)),
            document::Rule::Texts { left, is, right } => match (text(left)?, is, text(right)?) {
                (left, Comparison::Equal, Text::Literal(right)) => Self::Is(left, right),
                (Text::Literal(left), Comparison::Equal, right) => Self::Is(right, left),
                (left, Comparison::Unequal, Text::Literal(right)) => Self::Not(Box::new(Self::Is(left, right))),
                (left, is, right) => Self::Texts(left, *is, right),
            },
            document::Rule::Numbers { left, is, right } => Self::Numbers(*left, *is, *right),
            document::Rule::Contains { whole, part } => Self::Contains(text(whole)?, text(part)?),
            document::Rule::OneOf { text: of_request, of } => {
                let mut all: Vec<Box<[u8]>> = of.iter().map(|text| text.as_bytes().into()).collect();
                all.sort_unstable();
                Self::OneOf(text(of_request)?, all.into_boxed_slice())
            }
            document::Rule::AmongAll { text: wanted, all } => Self::AmongAll(text(wanted)?, Repeated::compile(all)),
            document::Rule::NumberOneOf { number, of } => Self::NumberOneOf(*number, of.as_slice().into()),
            document::Rule::StartsWith { text: whole, with } => Self::StartsWith(text(whole)?, texts(with)?),
            document::Rule::EndsWith { text: whole, with } => Self::EndsWith(text(whole)?, texts(with)?),
            document::Rule::Matches { text: whole, pattern } => {
                Self::Matches(text(whole)?, Box::new(Pattern::compile(pattern)?))
            }
            document::Rule::ClientWithin(networks) => {
                let networks = Networks::build(networks).map_err(|text| format!("`{text}` is no network"))?;
                Self::ClientWithin(networks)
            }
            document::Rule::ClientInSet(name) => {
                let set = sets.get(name)?;
                match &*set {
                    empty if empty.is_empty() => Self::Always(false),
                    Set::Networks(_) => Self::ClientInSet(set),
                    Set::Texts(_) => return Err(format!("the set `{name}` has texts, not networks")),
                }
            }
            document::Rule::TextInSet { text: wanted, set: name } => {
                let set = sets.get(name)?;
                match &*set {
                    empty if empty.is_empty() => Self::Always(false),
                    Set::Texts(_) => Self::TextInSet(text(wanted)?, set),
                    Set::Networks(_) => return Err(format!("the set `{name}` has networks, not texts")),
                }
            }
        })
    }

    fn holds(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::Always(always) => *always,
            Self::All(all) => all.iter().all(|rule| rule.holds(subject)),
            Self::Any(any) => any.iter().any(|rule| rule.holds(subject)),
            Self::Not(rule) => !rule.holds(subject),
            Self::Is(text, literal) => *text.read(subject) == **literal,
            Self::Texts(left, is, right) => compare(&*left.read(subject), *is, &*right.read(subject)),
            Self::Numbers(left, is, right) => {
                compare(&number::read(*left, subject), *is, &number::read(*right, subject))
            }
            Self::Contains(whole, part) => memchr::memmem::find(&whole.read(subject), &part.read(subject)).is_some(),
            Self::OneOf(text, of) => {
                let text = text.read(subject);
                of.binary_search_by(|one| (**one).cmp(&*text)).is_ok()
            }
            Self::AmongAll(text, all) => all.has(&text.read(subject), subject),
            Self::NumberOneOf(one, of) => of.contains(&number::read(*one, subject)),
            Self::StartsWith(text, with) => {
                let text = text.read(subject);
                with.iter().any(|with| text.starts_with(&with.read(subject)))
            }
            Self::EndsWith(text, with) => {
                let text = text.read(subject);
                with.iter().any(|with| text.ends_with(&with.read(subject)))
            }
            Self::Matches(text, pattern) => pattern.is_in(&text.read(subject)),
            Self::ClientWithin(networks) => subject.client().is_some_and(|client| networks.hold(Some(client))),
            Self::ClientInSet(set) => subject.client().is_some_and(|client| set.has_address(client)),
            Self::TextInSet(text, set) => set.has_text(&text.read(subject)),
        }
    }
}

fn compare<T: Ord + ?Sized>(left: &T, is: Comparison, right: &T) -> bool {
    match is {
        Comparison::Equal => left == right,
        Comparison::Unequal => left != right,
        Comparison::Less => left < right,
        Comparison::AtMost => left <= right,
        Comparison::More => left > right,
        Comparison::AtLeast => left >= right,
    }
}
