//! Rise and fall: how many checks in a row make an endpoint up or down.

use crate::balance::standing::{CHECKED, Checked, CheckedEvent, next};

/// What the checks of one endpoint have said so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pulse {
    checked: Checked,
    /// The last checks in a row that passed, or failed.
    run: u32,
    passed: bool,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { checked: Checked::Unknown, run: 0, passed: false }
    }
}

impl Pulse {
    /// What is known already of an endpoint that has not been checked here: as if one check had said so.
    pub fn known(checked: Checked) -> Self {
        let run = u32::from(checked != Checked::Unknown);
        Self { checked, run, passed: checked == Checked::Up }
    }

    /// What is known.
    pub fn checked(self) -> Checked {
        self.checked
    }

    /// How many checks in a row had the last one's result.
    pub fn run(self) -> u32 {
        self.run
    }

    /// Whether the next check should come soon: it is down, or the last check was not what is known.
    pub fn hurries(self) -> bool {
        match self.checked {
            Checked::Unknown => true,
            Checked::Up => !self.passed,
            Checked::Down => true,
        }
    }

    /// Takes the result of a check; says what that changes. The first one of all decides alone, as Envoy's first success
    /// makes a host healthy and HAProxy's first failure a server down; from then on it takes `rise` or `fall` in a row.
    pub fn observe(&mut self, passed: bool, rise: u32, fall: u32) -> Option<CheckedEvent> {
        self.run = if self.run > 0 && self.passed == passed { self.run.saturating_add(1) } else { 1 };
        self.passed = passed;
        let (event, needs) = if passed { (CheckedEvent::Rose, rise) } else { (CheckedEvent::Fell, fall) };
        let needs = if self.checked == Checked::Unknown { 1 } else { needs };
        if self.run < needs {
            return None;
        }
        self.checked = next(CHECKED, self.checked, event)?;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn after(results: &[bool]) -> Pulse {
        let mut pulse = Pulse::default();
        for passed in results {
            pulse.observe(*passed, 2, 3);
        }
        pulse
    }

    #[test]
    fn the_first_check_decides_alone() {
        assert_eq!(after(&[]).checked(), Checked::Unknown);
        assert_eq!(after(&[true]).checked(), Checked::Up);
        assert_eq!(after(&[false]).checked(), Checked::Down);
    }

    #[test]
    fn then_it_takes_as_many_in_a_row_as_rise_and_fall_ask() {
        assert_eq!(after(&[true, false, false]).checked(), Checked::Up);
        assert_eq!(after(&[true, false, false, true, false, false]).checked(), Checked::Up);
        assert_eq!(after(&[true, false, false, false]).checked(), Checked::Down);
        assert_eq!(after(&[false, true]).checked(), Checked::Down);
        assert_eq!(after(&[false, true, true]).checked(), Checked::Up);
    }

    #[test]
    fn checks_hurry_while_it_is_down_or_in_doubt() {
        assert!(!after(&[true]).hurries());
        assert!(after(&[true, false]).hurries());
        assert!(after(&[false, true]).hurries());
        assert!(!after(&[false, true, true]).hurries());
    }

    proptest! {
        /// Written a second time, from what the words mean: looking back at all results.
        #[test]
        fn it_is_what_the_last_run_that_was_long_enough_said(
            results in prop::collection::vec(any::<bool>(), 0..60), rise in 1u32..5, fall in 1u32..5,
        ) {
            let mut pulse = Pulse::default();
            let mut is_up = None;
            for (at, passed) in results.iter().enumerate() {
                let changed = pulse.observe(*passed, rise, fall);
                let run = results[..=at].iter().rev().take_while(|each| *each == passed).count();
                let needs = if *passed { rise } else { fall } as usize;
                let was = is_up;
                if is_up.is_none() || run >= needs {
                    is_up = Some(*passed);
                }
                let expected = match is_up {
                    None => Checked::Unknown,
                    Some(true) => Checked::Up,
                    Some(false) => Checked::Down,
                };
                prop_assert_eq!(pulse.checked(), expected);
                prop_assert_eq!(changed.is_some(), was != is_up);
                prop_assert_eq!(pulse.run() as usize, run);
            }
        }
    }
}
