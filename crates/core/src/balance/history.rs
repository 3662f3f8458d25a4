//! What became of an endpoint: the last changes of its standing, each with its reason, in bounded memory.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::moment::Moment;

/// Most changes that are kept of one endpoint.
pub const MOST_KEPT: usize = 100;

/// Longest reason that is kept, in bytes.
const LONGEST: usize = 200;

/// What an endpoint became.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Its checks pass.
    Up,
    /// They fail.
    Down,
    /// It is no longer checked.
    Unchecked,
    /// It is passed over, since it could not be connected to.
    PassedOver,
    /// It is out, since it failed requests.
    Ejected,
    /// Its ejection is over: it gets one request at a time.
    OnTrial,
    /// It is taken again.
    Readmitted,
}

impl Change {
    /// Every change.
    pub const ALL: &[Self] =
        &[Self::Up, Self::Down, Self::Unchecked, Self::PassedOver, Self::Ejected, Self::OnTrial, Self::Readmitted];

    /// The word in log, metrics and API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unchecked => "unchecked",
            Self::PassedOver => "passed_over",
            Self::Ejected => "ejected",
            Self::OnTrial => "on_trial",
            Self::Readmitted => "readmitted",
        }
    }

    /// What it is from now on, as in `10.0.0.1:80 is down`.
    pub const fn says(self) -> &'static str {
        match self {
            Self::Up => "is up",
            Self::Down => "is down",
            Self::Unchecked => "is no longer checked",
            Self::PassedOver => "is passed over",
            Self::Ejected => "is ejected",
            Self::OnTrial => "is on trial",
            Self::Readmitted => "is taken again",
        }
    }

    /// Whether it is of the axis of checks; else it is of that of outliers.
    pub const fn is_of_checks(self) -> bool {
        match self {
            Self::Up | Self::Down | Self::Unchecked => true,
            Self::PassedOver | Self::Ejected | Self::OnTrial | Self::Readmitted => false,
        }
    }
}

/// A change, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// When.
    pub at: Moment,
    /// What.
    pub change: Change,
    /// Why, in plain words.
    pub because: String,
}

/// The last changes of one endpoint.
#[derive(Debug, Default)]
pub struct History {
    kept: VecDeque<Event>,
    count: u64,
    /// So many of them another worker has told.
    inherited: u64,
    /// The last of each axis: many of one must not push out the other's.
    checks: Option<Event>,
    outlier: Option<Event>,
}

impl History {
    /// Keeps a change.
    pub(super) fn push(&mut self, at: Moment, change: Change, because: &dyn fmt::Display) {
        let mut because = because.to_string();
        if because.len() > LONGEST {
            let end = (0..=LONGEST).rev().find(|end| because.is_char_boundary(*end)).unwrap_or(0);
            because.truncate(end);
            because.push('…');
        }
        let event = Event { at, change, because };
        *if change.is_of_checks() { &mut self.checks } else { &mut self.outlier } = Some(event.clone());
        if self.kept.len() == MOST_KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(event);
        self.count += 1;
    }

    /// The history that another worker has told.
    pub(super) fn inherited(events: impl Iterator<Item = Event>) -> Self {
        let mut history = Self::default();
        events.for_each(|event| history.push(event.at, event.change, &event.because));
        Self { inherited: history.count, ..history }
    }

    /// How many of all another worker has told, and logged in its time.
    pub fn told_before(&self) -> u64 {
        self.inherited
    }

    /// How many there ever were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The last ones, oldest first.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.kept.iter()
    }

    /// Those that came after the first `seen` of all, as far as they are kept.
    pub fn since(&self, seen: u64) -> impl Iterator<Item = &Event> {
        self.last(usize::try_from(self.count.saturating_sub(seen)).unwrap_or(usize::MAX))
    }

    /// The last ones, at most so many.
    pub fn last(&self, most: usize) -> impl Iterator<Item = &Event> {
        self.kept.iter().skip(self.kept.len().saturating_sub(most))
    }

    /// The last one of what checks say.
    pub fn of_checks(&self) -> Option<&Event> {
        self.checks.as_ref()
    }

    /// The last one of whether it is an outlier.
    pub fn of_outlier(&self) -> Option<&Event> {
        self.outlier.as_ref()
    }
}

impl Event {
    /// `is down for 12 s: 3 checks in a row failed: it answered 503`.
    pub(super) fn tell(&self, now: Moment) -> String {
        format!("{} for {}: {}", self.change.says(), Lasting(now.since(self.at)), self.because)
    }
}

/// A time in its largest unit, as `12 s`.
struct Lasting(Duration);

impl fmt::Display for Lasting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            0 => write!(f, "{} ms", self.0.as_millis()),
            seconds @ 1..120 => write!(f, "{seconds} s"),
            seconds @ 120..7_200 => write!(f, "{} min", seconds / 60),
            seconds => write!(f, "{} h", seconds / 3_600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hundred_are_kept_and_the_last_of_each_axis() {
        let mut history = History::default();
        history.push(Moment::from_nanos(1), Change::Down, &"first");
        for at in 2..=150 {
            history.push(Moment::from_nanos(at), Change::PassedOver, &"x".repeat(1_000));
        }
        assert_eq!((history.count(), history.events().count()), (150, 100));
        assert_eq!(history.since(148).map(|event| event.at.as_nanos()).collect::<Vec<_>>(), [149, 150]);
        assert_eq!((history.since(0).count(), history.since(150).count()), (100, 0));
        assert_eq!(history.of_checks().map(|event| event.because.as_str()), Some("first"));
        assert!(history.of_outlier().is_some_and(|event| event.because.len() < 210));
    }

    #[test]
    fn an_event_tells_since_when_and_why() {
        let mut history = History::default();
        history.push(Moment::default(), Change::Down, &"3 checks in a row failed: it answered 503");
        let told = |s: u64| history.of_checks().unwrap().tell(Moment::default().after(Duration::from_secs(s)));
        assert_eq!(told(12), "is down for 12 s: 3 checks in a row failed: it answered 503");
        assert!(told(600).starts_with("is down for 10 min: "));
        assert!(told(86_400).starts_with("is down for 24 h: "));
    }
}
