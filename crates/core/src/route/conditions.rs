//! What a route asks of a request besides host and path. Looked at only for the candidates of a host and path, in the
//! order of precedence; headers and query terms read as expressions read them, so that `match` and `when` never differ.

use crate::filter::networks::Networks;
use crate::rule::repeated::Repeated;
use crate::rule::{Rule, Sets, Subject};
use crate::snapshot::document;

/// Compiled [`document::Conditions`].
#[derive(Debug)]
pub(super) struct Conditions {
    methods: Box<[Box<[u8]>]>,
    headers: Box<[Wanted]>,
    query: Box<[Wanted]>,
    from: Option<Networks>,
    when: Option<Rule>,
}

/// What a field or query term must say.
type Wanted = (Repeated, Box<[u8]>);

/// The first condition that did not hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unmet {
    /// The method is none of the route's.
    Method,
    /// The field at this index of the route's says something else.
    Header(usize),
    /// The query term at this index of the route's says something else.
    Query(usize),
    /// The client is in none of the route's networks.
    From,
    /// The expression is false.
    When,
}

impl Conditions {
    /// Compiles. Fails on the first that is wrong.
    pub(super) fn build(written: &document::Conditions, sets: &Sets) -> Result<Self, String> {
        let bytes = |text: &String| text.as_bytes().into();
        let headers = written.headers.iter().map(|(name, text)| (header(name), bytes(text)));
        let query = written.query.iter().map(|(name, text)| (term(name), bytes(text)));
        let from = (!written.from.is_empty()).then(|| Networks::build(&written.from)).transpose();
        Ok(Self {
            methods: written.methods.iter().map(bytes).collect(),
            headers: headers.collect(),
            query: query.collect(),
            from: from.map_err(|text| format!("from: `{text}` is no network"))?,
            when: written.when.as_ref().map(|rule| Rule::compile(rule, sets)).transpose()?,
        })
    }

    /// The first that does not hold for a request; none if all do.
    pub(super) fn unmet(&self, subject: &Subject<'_>) -> Option<Unmet> {
        if self.has_method(subject) { self.unmet_but_method(subject) } else { Some(Unmet::Method) }
    }

    /// Whether the method alone is another one.
    pub(super) fn wants_another_method(&self, subject: &Subject<'_>) -> bool {
        !self.has_method(subject) && self.unmet_but_method(subject).is_none()
    }

    fn has_method(&self, subject: &Subject<'_>) -> bool {
        let method = subject.head.method_span.of(subject.bytes);
        self.methods.is_empty() || self.methods.iter().any(|one| **one == *method)
    }

    fn unmet_but_method(&self, subject: &Subject<'_>) -> Option<Unmet> {
        let differs = |wanted: &Wanted| *wanted.0.joined(subject) != *wanted.1;
        if let Some(at) = self.headers.iter().position(differs) {
            return Some(Unmet::Header(at));
        }
        if let Some(at) = self.query.iter().position(differs) {
            return Some(Unmet::Query(at));
        }
        if self.from.as_ref().is_some_and(|networks| !networks.hold(subject.client())) {
            return Some(Unmet::From);
        }
        self.when.as_ref().is_some_and(|rule| !rule.holds(subject)).then_some(Unmet::When)
    }
}

/// A field, as expressions read it.
pub(super) fn header(name: &str) -> Repeated {
    Repeated::compile(&document::Repeated::Header(name.to_owned()))
}

/// A query term, as expressions read it.
pub(super) fn term(name: &str) -> Repeated {
    Repeated::compile(&document::Repeated::Query(name.to_owned()))
}

/// How specific a route is among those of one host and path, and its priority; the greater is the stronger.
pub(super) type Strength = (bool, usize, usize, bool, bool, i64);

/// The strength of a route: methods, then how many headers, then how many query terms, `from`, `when`, `priority`.
pub(super) fn strength(route: &document::Route) -> Strength {
    route.only.as_deref().map_or((false, 0, 0, false, false, route.priority), |only| {
        let document::Conditions { methods, headers, query, from, when } = only;
        (!methods.is_empty(), headers.len(), query.len(), !from.is_empty(), when.is_some(), route.priority)
    })
}
