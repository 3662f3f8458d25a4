//! The tries of one exchange of which one was not the last, as the access log tells them. Made upon the first retry.

use std::fmt::Write as _;
use std::time::Duration;

use super::Repeating;
use crate::failure::Kind;
use crate::moment::Moment;

/// What became of a try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It failed.
    Failed(Kind),
    /// It was answered.
    Answered(u16),
    /// Another one was answered first.
    Cancelled,
}

/// One try that was not the last.
#[derive(Debug)]
struct Attempt {
    endpoint: Box<str>,
    outcome: Outcome,
    took: Duration,
}

/// What is known of an exchange that was tried more than once, or was to be.
#[derive(Debug, Default)]
pub struct Attempts {
    past: Vec<Attempt>,
    /// When the try under way began; none between two tries.
    pub(crate) began: Option<Moment>,
    /// When the client must have an answer, whoever gives it; none while its request is not whole.
    pub(crate) due: Option<Moment>,
    /// What it takes of the upstream's budget.
    pub(crate) repeating: Option<Repeating>,
    /// The budget allowed no more.
    pub(crate) refused: bool,
}

impl Attempts {
    /// Writes down what became of a try that began at `began`.
    pub(crate) fn push(&mut self, endpoint: &str, outcome: Outcome, began: Moment, now: Moment) {
        self.past.push(Attempt { endpoint: endpoint.into(), outcome, took: now.since(began) });
        self.began = None;
    }

    /// The same of a try besides which another one goes on.
    pub(crate) fn push_beside(&mut self, endpoint: &str, outcome: Outcome, began: Moment, now: Moment) {
        let goes_on = self.began;
        self.push(endpoint, outcome, began, now);
        self.began = goes_on;
    }

    /// How many tries are over.
    pub fn past(&self) -> usize {
        self.past.len()
    }

    /// All tries, with the last one: `10.0.0.1:80 upstream_reset 0.001203, 10.0.0.2:80 200 0.010233`.
    /// `asked_at` is when the only one began.
    pub fn text(&self, endpoint: &str, outcome: Outcome, asked_at: Moment, ended: Moment) -> String {
        let mut text = String::new();
        let mut tell = |endpoint: &str, outcome: Outcome, took: Duration| {
            let comma = if text.is_empty() { "" } else { ", " };
            let _ = match outcome {
                Outcome::Failed(kind) => write!(text, "{comma}{endpoint} {}", kind.name()),
                Outcome::Answered(status) => write!(text, "{comma}{endpoint} {status}"),
                Outcome::Cancelled => write!(text, "{comma}{endpoint} cancelled"),
            };
            let _ = write!(text, " {}.{:06}", took.as_secs(), took.subsec_micros());
        };
        self.past.iter().for_each(|past| tell(&past.endpoint, past.outcome, past.took));
        if let Some(began) = self.began.or(self.past.is_empty().then_some(asked_at)) {
            tell(endpoint, outcome, ended.since(began));
        }
        if self.refused {
            text.push_str(", no more: retry_budget is spent");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_try_is_told_with_its_endpoint_its_outcome_and_its_time() {
        let at = |millis: u64| Moment::from_nanos(millis * 1_000_000);
        let mut attempts = Attempts::default();
        attempts.push("10.0.0.1:80", Outcome::Failed(Kind::UpstreamReset), at(0), at(1203));
        let answered = Outcome::Answered(503);
        assert_eq!(attempts.text("10.0.0.1:80", answered, at(0), at(9000)), "10.0.0.1:80 upstream_reset 1.203000");
        attempts.began = Some(at(2000));
        attempts.refused = true;
        assert_eq!(
            attempts.text("10.0.0.2:80", answered, at(0), at(2010)),
            "10.0.0.1:80 upstream_reset 1.203000, 10.0.0.2:80 503 0.010000, no more: retry_budget is spent"
        );
    }
}
