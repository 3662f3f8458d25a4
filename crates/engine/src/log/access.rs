//! The access log, a thread's side: a line for each exchange that is to be told, appended to a buffer of the thread.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tidegate_core::dice::Dice;
use tidegate_core::rule::Rule;

use super::clock::Clock;
use super::layout::Layout;
use super::outlet::OutletId;
use super::record::Record;
use super::writer::{Lines, LogWriter};

/// A buffer that holds more is handed over at once.
const FULL: usize = 32 * 1024;

/// What the threads log, and where: the access log of one snapshot.
#[derive(Debug)]
pub struct Plan {
    /// How a line looks.
    pub layout: Layout,
    /// Where it goes.
    pub outlet: OutletId,
    /// Which share of what went well is told, of the greatest number.
    share: u64,
    /// Which exchanges are told; none: all.
    when: Option<Rule>,
    reads_words: bool,
}

impl Plan {
    /// `sample` is the share of what went well that is told, 0 to 1; `when` tells of which exchanges.
    pub fn new(layout: Layout, outlet: OutletId, sample: f64, when: Option<Rule>) -> Self {
        let reads_words = when.is_some() || layout.reads_words();
        let share = (sample.clamp(0.0, 1.0) * u64::MAX as f64) as u64; // exact enough: 53 bits of 64
        Self { layout, outlet, share, when, reads_words }
    }
}

/// A thread's side of the access log. Clones share the buffer.
#[derive(Clone, Debug)]
pub struct AccessLog(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    writer: LogWriter,
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    plan: Option<Arc<Plan>>,
    lines: Lines,
    clock: Clock,
    dice: Dice,
}

impl AccessLog {
    /// The log for one thread, whose buffers `writer` takes; `seed` is for what is told of a share alone.
    pub fn new(writer: LogWriter, seed: u64) -> Self {
        let (lines, clock, dice) = (Lines::default(), Clock::default(), Dice::seeded(seed));
        Self(Rc::new(Inner { writer, state: RefCell::new(State { plan: None, lines, clock, dice }) }))
    }

    /// Logs as `plan` says from now on; what was logged before goes where it was meant to. Never blocks.
    pub fn follow(&self, plan: Option<Arc<Plan>>) {
        self.flush();
        self.0.state.borrow_mut().plan = plan;
    }

    /// Whether the record of an exchange is to be made. Of those that went well a share may be: a failure, and a status
    /// of 500 or more, is always told.
    pub fn wants(&self, went_well: bool) -> bool {
        let mut state = self.0.state.borrow_mut();
        let State { plan: Some(plan), dice, .. } = &mut *state else { return false };
        plan.share == u64::MAX || !went_well || dice.roll() < plan.share
    }

    /// Whether the record of an exchange is to have its `subject`.
    pub fn reads_words(&self) -> bool {
        self.0.state.borrow().plan.as_ref().is_some_and(|plan| plan.reads_words)
    }

    /// Appends the line for `record`, if the configuration wants it told. Never blocks.
    pub fn write(&self, record: &Record<'_>) {
        let mut state = self.0.state.borrow_mut();
        let State { plan: Some(plan), lines, clock, .. } = &mut *state else { return };
        if let (Some(when), Some(subject)) = (&plan.when, &record.subject)
            && !when.holds(subject)
        {
            return;
        }
        plan.layout.append(&mut lines.bytes, clock, record);
        lines.count += 1;
        if lines.bytes.len() >= FULL {
            self.0.hand_over(plan.outlet, lines);
        }
    }

    /// Hands over what there is. Called when the thread is idle, and at least every 200 ms. Never blocks.
    pub fn flush(&self) {
        let State { plan, lines, .. } = &mut *self.0.state.borrow_mut();
        if let Some(plan) = plan {
            self.0.hand_over(plan.outlet, lines);
        }
    }
}

impl Inner {
    fn hand_over(&self, outlet: OutletId, lines: &mut Lines) {
        if lines.count > 0 {
            let full = std::mem::replace(lines, Lines { bytes: self.writer.spare_buffer(), count: 0 });
            self.writer.take(outlet, full);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        if let Some(plan) = &state.plan {
            let (outlet, lines) = (plan.outlet, std::mem::take(&mut state.lines));
            if lines.count > 0 {
                self.writer.take(outlet, lines);
            }
        }
    }
}
