//! What a lane did, in the words of a transcript.

use tidegate_core::lane::{Exchange, Interest};
use tidegate_core::moment::Moment;

use crate::script::Side;

/// What the lane did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    /// It sent bytes.
    Bytes(Side, Vec<u8>),
    /// It did something else.
    Act(String),
}

/// What came of one step.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    /// What the lane did.
    pub(crate) seen: Vec<Seen>,
    /// What it then waited for.
    pub(crate) waits: String,
}

/// What is waited for, in the words of a transcript.
pub(crate) fn waits(is_over: bool, interest: Interest, now: Moment) -> String {
    if is_over {
        return "nothing".into();
    }
    let mut words: Vec<String> = [
        (interest.read_downstream, "read downstream"),
        (interest.write_downstream, "write downstream"),
        (interest.read_upstream, "read upstream"),
        (interest.write_upstream, "write upstream"),
        (interest.lease, "connection"),
        (interest.behind, "the other endpoint"),
        (interest.write_behind, "write to it"),
    ]
    .into_iter()
    .filter(|(is, _)| *is)
    .map(|(_, word)| word.to_owned())
    .collect();
    if interest.deadline != Moment::NEVER {
        words.push(format!("{:?}", interest.deadline.since(now)));
    }
    words.join(", ")
}

/// What the log is told, in short.
pub(crate) fn report(exchange: &Exchange) -> String {
    let status = if exchange.status == 0 { "-".into() } else { exchange.status.to_string() };
    let tries = if exchange.attempts > 1 { format!(" after {} tries", exchange.attempts) } else { String::new() };
    let failure = exchange.failure.as_ref().map_or_else(String::new, |failure| format!(": {failure}"));
    format!("{status}{tries}{failure}")
}
