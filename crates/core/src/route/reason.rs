//! Why a route lost, as a sentence for whoever wrote the configuration.

use super::conditions::{Unmet, header, strength, term};
use super::explain::Outcome;
use crate::rule::Subject;
use crate::snapshot::document::{Conditions, PathMatch, Route};

/// Why `route` was not chosen, or why it was. `chosen` is the one that was.
pub fn why(outcome: Outcome, route: &Route, chosen: Option<&Route>, path: &[u8], subject: &Subject<'_>) -> String {
    match outcome {
        Outcome::Chosen => "it is the most specific route that matches".to_owned(),
        Outcome::LessSpecific => chosen.map_or_else(String::new, |chosen| less_specific(route, chosen)),
        Outcome::Unmet(unmet) => route.only.as_deref().map(|only| not_met(unmet, only, subject)).unwrap_or_default(),
        Outcome::OtherPath => match &route.path {
            Some(wanted) => format!("{} does not match `{}`", of_path(wanted), String::from_utf8_lossy(path)),
            None => String::new(),
        },
        Outcome::OtherHost => match (route.host.as_deref(), &*subject.host()) {
            (Some(host), b"") => format!("host is `{host}`, and the request names none"),
            (Some(host), sent) => format!("host is `{host}`, not `{}`", String::from_utf8_lossy(sent)),
            (None, _) => String::new(),
        },
        Outcome::OtherListener => "it is not on this listener".to_owned(),
    }
}

fn less_specific(route: &Route, chosen: &Route) -> String {
    if route.host != chosen.host {
        return match (&route.host, &chosen.host) {
            (Some(host), Some(better)) => format!("host `{host}` is less specific than `{better}`"),
            (None, Some(better)) => format!("it holds for every host, the chosen one for `{better}`"),
            (_, None) => String::new(),
        };
    }
    match (&route.path, &chosen.path) {
        (None, Some(better)) => return format!("it holds for every path, the chosen one for {}", of_path(better)),
        (Some(path), Some(better)) if rank(path) != rank(better) => {
            return format!("{} is less specific than {}", of_path(path), of_path(better));
        }
        _ => {}
    }
    let (ours, better) = (strength(route), strength(chosen));
    if (ours.0, better.0) == (false, true) {
        return "the chosen one names methods, it does not".to_owned();
    }
    for (what, ours, better) in [("header", ours.1, better.1), ("query term", ours.2, better.2)] {
        if ours != better {
            return format!("the chosen one asks for {}, it for {ours}", counted(better, what));
        }
    }
    if ours.3 != better.3 {
        return "the chosen one has `from`, it has not".to_owned();
    }
    if ours.4 != better.4 {
        return "the chosen one has `when`, it has not".to_owned();
    }
    if ours.5 != better.5 {
        return format!("its priority is {}, that of the chosen one {}", ours.5, better.5);
    }
    "the chosen one comes first in the configuration".to_owned()
}

fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// Form and length, as the contract orders them; a slash at the end of a prefix makes no difference.
fn rank(path: &PathMatch) -> (u8, usize) {
    match path {
        PathMatch::Exact(_) => (0, 0),
        PathMatch::Regex(pattern) => (1, pattern.len()),
        PathMatch::Prefix(prefix) => (2, prefix.trim_end_matches('/').len()),
    }
}

fn of_path(path: &PathMatch) -> String {
    match path {
        PathMatch::Exact(path) => format!("exact path `{path}`"),
        PathMatch::Regex(pattern) => format!("path regex `{pattern}`"),
        PathMatch::Prefix(prefix) => format!("path prefix `{prefix}`"),
    }
}

fn not_met(unmet: Unmet, only: &Conditions, subject: &Subject<'_>) -> String {
    let differs = |kind: &str, name: &str, wanted: &str, has: &[u8]| match has {
        b"" => format!("{kind} {name} is missing or empty, not `{wanted}`"),
        has => format!("{kind} {name} is `{}`, not `{wanted}`", String::from_utf8_lossy(has)),
    };
    match unmet {
        Unmet::Method => {
            let method = String::from_utf8_lossy(subject.head.method_span.of(subject.bytes));
            format!("methods are {}, not {method}", only.methods.join(", "))
        }
        Unmet::Header(at) => only
            .headers
            .get(at)
            .map(|(name, wanted)| {
                let header = header(name);
                differs("header", name, wanted, &header.joined(subject))
            })
            .unwrap_or_default(),
        Unmet::Query(at) => only
            .query
            .get(at)
            .map(|(name, wanted)| {
                let term = term(name);
                differs("query term", name, wanted, &term.joined(subject))
            })
            .unwrap_or_default(),
        Unmet::From => match subject.client() {
            Some(client) => format!("the client {client} is not in {}", only.from.join(", ")),
            None => format!("a client of a Unix socket is not in {}", only.from.join(", ")),
        },
        Unmet::When => "its `when` is false for this request".to_owned(),
    }
}
