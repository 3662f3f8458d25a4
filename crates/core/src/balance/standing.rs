//! An endpoint's standing: what was asked of it, what checks say, and whether it is an outlier. Three axes, each with a
//! table of its own, so that one good check never ends an ejection and health never lifts a drain.
//!
//! The cell is shared by all threads. A view reads it only when [`changes`] has moved or an outlier's time is over.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::history::{Change, Event, History};
use crate::moment::Moment;

/// What was asked of an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Asked {
    /// To take work.
    Ready,
    /// To finish what it has.
    Draining,
    /// Nothing is open to it any more.
    Drained,
    /// It is no longer part of the upstream.
    Removed,
}

impl Asked {
    /// The word in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Drained => "drained",
            Self::Removed => "removed",
        }
    }
}

/// What changes what is asked of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AskedEvent {
    /// Take no new work.
    Drain,
    /// Take work again.
    Resume,
    /// The last exchange of a draining endpoint ended.
    LastExchangeEnded,
    /// Leave the upstream.
    Remove,
}

/// What is asked, and how it changes; what is not here cannot happen.
pub const ASKED: &[(Asked, AskedEvent, Asked)] = &[
    (Asked::Ready, AskedEvent::Drain, Asked::Draining),
    (Asked::Draining, AskedEvent::Resume, Asked::Ready),
    (Asked::Draining, AskedEvent::LastExchangeEnded, Asked::Drained),
    (Asked::Drained, AskedEvent::Resume, Asked::Ready),
    (Asked::Ready, AskedEvent::Remove, Asked::Removed),
    (Asked::Draining, AskedEvent::Remove, Asked::Removed),
    (Asked::Drained, AskedEvent::Remove, Asked::Removed),
];

/// What checks say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Checked {
    /// Nothing yet, or nobody checks.
    Unknown,
    /// It answers.
    Up,
    /// It does not.
    Down,
}

impl Checked {
    /// The word in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// What changes what checks say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CheckedEvent {
    /// As many checks in a row passed as `rise` asks.
    Rose,
    /// As many checks in a row failed as `fall` asks.
    Fell,
    /// It is no longer checked.
    Forgotten,
}

/// What checks say, and how it changes.
pub const CHECKED: &[(Checked, CheckedEvent, Checked)] = &[
    (Checked::Unknown, CheckedEvent::Rose, Checked::Up),
    (Checked::Unknown, CheckedEvent::Fell, Checked::Down),
    (Checked::Up, CheckedEvent::Fell, Checked::Down),
    (Checked::Down, CheckedEvent::Rose, Checked::Up),
    (Checked::Up, CheckedEvent::Forgotten, Checked::Unknown),
    (Checked::Down, CheckedEvent::Forgotten, Checked::Unknown),
];

/// Whether it is an outlier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outlier {
    /// No.
    In,
    /// Passed over or ejected until its time is over.
    Out,
    /// Back from an ejection: one request at a time.
    Trial,
}

impl Outlier {
    /// The word in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Trial => "trial",
        }
    }
}

/// What makes it one, or ends it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OutlierEvent {
    /// It could not be connected to.
    PassOver,
    /// The time for which it was passed over is over.
    TimeOver,
    /// It failed requests.
    Eject,
    /// The time of its ejection is over.
    EjectionOver,
    /// On trial requests went well.
    Admit,
}

/// Whether it is an outlier, and how that changes.
pub const OUTLIER: &[(Outlier, OutlierEvent, Outlier)] = &[
    (Outlier::In, OutlierEvent::PassOver, Outlier::Out),
    (Outlier::Out, OutlierEvent::PassOver, Outlier::Out),
    (Outlier::Trial, OutlierEvent::PassOver, Outlier::Out),
    (Outlier::Out, OutlierEvent::TimeOver, Outlier::In),
    (Outlier::In, OutlierEvent::Eject, Outlier::Out),
    (Outlier::Out, OutlierEvent::Eject, Outlier::Out),
    (Outlier::Trial, OutlierEvent::Eject, Outlier::Out),
    (Outlier::Out, OutlierEvent::EjectionOver, Outlier::Trial),
    (Outlier::Trial, OutlierEvent::Admit, Outlier::In),
];

/// How long one request on trial may take before another is tried: in nanoseconds.
const LONGEST_TRIAL: std::time::Duration = std::time::Duration::from_secs(10);

/// Where `event` leads from `state` by one of the tables above; `None` where it cannot happen.
pub fn next<S: Copy + PartialEq, E: Copy + PartialEq>(table: &[(S, E, S)], state: S, event: E) -> Option<S> {
    table.iter().find(|(from, by, _)| *from == state && *by == event).map(|(_, _, to)| *to)
}

/// The three axes at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// What was asked of it.
    pub asked: Asked,
    /// What checks say.
    pub checked: Checked,
    /// Whether it is passed over.
    pub outlier: Outlier,
}

impl Standing {
    /// Whether new work may go to it: all three axes say so.
    pub fn is_eligible(self) -> bool {
        self.is_wanted() && self.outlier == Outlier::In
    }

    /// Whether only its being an outlier could keep new work from it.
    pub fn is_wanted(self) -> bool {
        self.asked == Asked::Ready && self.checked != Checked::Down
    }
}

/// How often any standing has changed, in the whole process. Changes are rare, and a view that looks once too often
/// loses a microsecond, so one number (on a cache line of its own) serves all upstreams.
#[repr(align(128))]
struct Changes(AtomicU64);

static CHANGES: Changes = Changes(AtomicU64::new(0));

/// A number that moves whenever a standing changes otherwise than by time.
pub fn changes() -> u64 {
    CHANGES.0.load(Ordering::Acquire)
}

/// An endpoint's standing, shared by threads and snapshots. By default ready, unknown and in.
#[derive(Debug, Default)]
pub struct EndpointStanding {
    asked: AtomicU8,
    checked: AtomicU8,
    out_until: AtomicU64,
    /// It was ejected and not admitted since: once it is no longer out, it is on trial.
    ejected: AtomicBool,
    /// Until then its trial is taken by a request.
    trial_until: AtomicU64,
    history: Mutex<History>,
}

impl EndpointStanding {
    /// The three axes at `now`.
    pub fn at(&self, now: Moment) -> Standing {
        let outlier = match (self.passed_over_until() > now, self.is_ejected()) {
            (true, _) => Outlier::Out,
            (false, true) => Outlier::Trial,
            (false, false) => Outlier::In,
        };
        Standing { asked: self.asked(), checked: self.checked(), outlier }
    }

    /// Whether it was ejected, and not admitted since.
    pub fn is_ejected(&self) -> bool {
        self.ejected.load(Ordering::Acquire)
    }

    /// Ejects it until `until`; then it is on trial. True, since that can always happen.
    pub fn eject(&self, now: Moment, until: Moment, because: &dyn fmt::Display) -> bool {
        self.readmit(now); // what time alone has changed is told in its order
        self.ejected.store(true, Ordering::Release);
        self.trial_until.store(0, Ordering::Release);
        self.out_until.store(until.as_nanos(), Ordering::Release);
        self.note(now, Change::Ejected, because);
        CHANGES.0.fetch_add(1, Ordering::AcqRel);
        true
    }

    /// Takes the place of its one request on trial, where it is on trial and that is free.
    pub fn take_trial(&self, now: Moment) -> bool {
        let is_on_trial = self.at(now).outlier == Outlier::Trial;
        let taken = self.trial_until.load(Ordering::Acquire);
        let until = now.after(LONGEST_TRIAL).as_nanos();
        is_on_trial
            && taken <= now.as_nanos()
            && self.trial_until.compare_exchange(taken, until, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The request on trial has ended well: there may be another.
    pub fn next_trial(&self) {
        self.trial_until.store(0, Ordering::Release);
    }

    /// Ends its trial. False, and no change, where it is not on trial.
    pub fn admit(&self, now: Moment, because: &dyn fmt::Display) -> bool {
        self.readmit(now);
        let was = self.at(now).outlier == Outlier::Trial && self.ejected.swap(false, Ordering::AcqRel);
        if was {
            self.note(now, Change::Readmitted, because);
            CHANGES.0.fetch_add(1, Ordering::AcqRel);
        }
        was
    }

    /// Until when it is passed over; a moment that is past if it is not.
    pub fn passed_over_until(&self) -> Moment {
        Moment::from_nanos(self.out_until.load(Ordering::Acquire))
    }

    /// Passes it over until `until`, or longer where it already is. True if it was not passed over at `now`.
    pub fn pass_over(&self, now: Moment, until: Moment, because: &dyn fmt::Display) -> bool {
        let before = self.out_until.fetch_max(until.as_nanos(), Ordering::AcqRel);
        let is_new = before <= now.as_nanos() && until > now;
        // A longer time alone moves nothing: views look again when the old one is over. So an upstream that is wholly
        // down does not make every view look at every failure.
        if is_new {
            self.note(now, Change::PassedOver, because);
            CHANGES.0.fetch_add(1, Ordering::AcqRel);
        }
        is_new
    }

    /// Says in its history that it is taken again, or on trial, once its time is over. True if that was to be said.
    pub fn readmit(&self, now: Moment) -> bool {
        let mut history = self.locked();
        let Some(last) = history.of_outlier().map(|last| last.change) else { return false };
        if self.passed_over_until() > now || !matches!(last, Change::PassedOver | Change::Ejected) {
            return false;
        }
        if self.is_ejected() {
            history.push(now, Change::OnTrial, &"its time is over, and requests go to it one at a time");
        } else {
            history.push(now, Change::Readmitted, &"its time is over");
        }
        true
    }

    /// What was asked of it changes by `event`; `None`, and no change, where that cannot happen.
    pub fn ask(&self, event: AskedEvent) -> Option<Asked> {
        step(&self.asked, event, ASKED, asked_of, |to| to as u8)
    }

    /// What checks say changes by `event` at `now`; `None`, and no change, where that cannot happen.
    pub fn check(&self, event: CheckedEvent, now: Moment, because: &dyn fmt::Display) -> Option<Checked> {
        let to = step(&self.checked, event, CHECKED, checked_of, |to| to as u8)?;
        let change = match to {
            Checked::Up => Change::Up,
            Checked::Down => Change::Down,
            Checked::Unknown => Change::Unchecked,
        };
        self.note(now, change, because);
        Some(to)
    }

    /// Takes over what an earlier worker knew, before anybody asks: what its checks said, until when it is out, whether it
    /// was ejected and not admitted since, and what became of it.
    pub(crate) fn inherit(
        &self,
        checked: Checked,
        until: Moment,
        is_ejected: bool,
        events: impl Iterator<Item = Event>,
    ) {
        self.checked.store(checked as u8, Ordering::Release);
        self.out_until.store(until.as_nanos(), Ordering::Release);
        self.ejected.store(is_ejected, Ordering::Release);
        *self.locked() = History::inherited(events);
        CHANGES.0.fetch_add(1, Ordering::AcqRel);
    }

    /// Lets `look` at what became of it.
    pub fn history<T>(&self, look: impl FnOnce(&History) -> T) -> T {
        look(&self.locked())
    }

    /// What keeps it from work at `now`: the last change of the axis that does; none where none does, or its being asked.
    pub fn kept_out_by(&self, now: Moment) -> Option<Event> {
        let Standing { checked, outlier, .. } = self.at(now);
        let history = self.locked();
        match (checked, outlier) {
            (Checked::Down, _) => history.of_checks().cloned(),
            (_, Outlier::Out | Outlier::Trial) => history.of_outlier().cloned(),
            (Checked::Up | Checked::Unknown, Outlier::In) => None,
        }
    }

    /// Why it may not be chosen at `now`, and for how long that has been so; none if it may.
    pub fn why_not(&self, now: Moment) -> Option<String> {
        match self.at(now).asked {
            Asked::Ready => self.kept_out_by(now).map(|event| event.tell(now)),
            asked @ (Asked::Draining | Asked::Drained | Asked::Removed) => Some(format!("is {}", asked.name())),
        }
    }

    fn note(&self, now: Moment, change: Change, because: &dyn fmt::Display) {
        self.locked().push(now, change, because);
    }

    /// Whoever panicked while it held the lock has left at most one event too few.
    fn locked(&self) -> std::sync::MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self) -> Asked {
        asked_of(self.asked.load(Ordering::Acquire))
    }

    fn checked(&self) -> Checked {
        checked_of(self.checked.load(Ordering::Acquire))
    }
}

fn step<S: Copy + PartialEq, E: Copy + PartialEq>(
    cell: &AtomicU8,
    event: E,
    table: &[(S, E, S)],
    read: fn(u8) -> S,
    write: fn(S) -> u8,
) -> Option<S> {
    let moved = cell.fetch_update(Ordering::AcqRel, Ordering::Acquire, |was| next(table, read(was), event).map(write));
    let was = moved.ok()?;
    CHANGES.0.fetch_add(1, Ordering::AcqRel);
    next(table, read(was), event)
}

fn asked_of(number: u8) -> Asked {
    match number {
        0 => Asked::Ready,
        1 => Asked::Draining,
        2 => Asked::Drained,
        _ => Asked::Removed,
    }
}

fn checked_of(number: u8) -> Checked {
    match number {
        0 => Checked::Unknown,
        1 => Checked::Up,
        _ => Checked::Down,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL_ASKED: [Asked; 4] = [Asked::Ready, Asked::Draining, Asked::Drained, Asked::Removed];
    const ALL_ASKED_EVENTS: [AskedEvent; 4] =
        [AskedEvent::Drain, AskedEvent::Resume, AskedEvent::LastExchangeEnded, AskedEvent::Remove];

    #[test]
    fn the_cell_moves_exactly_as_the_table_says() {
        for from in ALL_ASKED {
            for event in ALL_ASKED_EVENTS {
                let cell = EndpointStanding { asked: AtomicU8::new(from as u8), ..Default::default() };
                let to = next(ASKED, from, event);
                assert_eq!(cell.ask(event), to, "{from:?} {event:?}");
                assert_eq!(cell.at(Moment::default()).asked, to.unwrap_or(from));
            }
        }
    }

    #[test]
    fn a_good_check_never_ends_an_ejection() {
        let cell = EndpointStanding::default();
        assert!(cell.pass_over(Moment::from_nanos(1), Moment::from_nanos(10), &"refused"));
        cell.check(CheckedEvent::Rose, Moment::from_nanos(2), &"passed");
        assert!(!cell.at(Moment::from_nanos(9)).is_eligible());
        assert!(cell.at(Moment::from_nanos(10)).is_eligible());
    }

    #[test]
    fn passing_over_again_makes_it_longer_never_shorter() {
        let cell = EndpointStanding::default();
        cell.pass_over(Moment::from_nanos(1), Moment::from_nanos(10), &"refused");
        assert!(!cell.pass_over(Moment::from_nanos(2), Moment::from_nanos(5), &"refused"));
        assert_eq!(cell.passed_over_until(), Moment::from_nanos(10));
    }

    #[test]
    fn its_history_says_why_and_when_it_is_taken_again() {
        let (cell, at) = (EndpointStanding::default(), Moment::from_nanos);
        assert_eq!(cell.why_not(at(1)), None);
        cell.pass_over(at(1), at(5_000_000), &"it refused");
        assert_eq!(cell.why_not(at(2_000_001)).as_deref(), Some("is passed over for 2 ms: it refused"));
        assert!(!cell.readmit(at(4_999_999)));
        assert!(cell.readmit(at(5_000_000)) && !cell.readmit(at(5_000_001)));
        cell.check(CheckedEvent::Fell, at(6_000_000), &"it answered 503");
        assert_eq!(cell.why_not(at(6_000_000)).as_deref(), Some("is down for 0 ms: it answered 503"));
        let names = cell.history(|all| all.events().map(|event| event.change.name()).collect::<Vec<_>>());
        assert_eq!(names, ["passed_over", "readmitted", "down"]);
        cell.ask(AskedEvent::Drain);
        assert_eq!(cell.why_not(at(6_000_000)).as_deref(), Some("is draining"));
    }
}
