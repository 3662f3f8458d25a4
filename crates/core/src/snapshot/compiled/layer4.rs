//! Where a listener of layer 4 carries bytes to.

use std::time::Duration;

use super::route::Target;
use crate::dice::Dice;
use crate::rule::Subject;
use crate::snapshot::document;

/// Where a listener of layer 4 carries bytes to.
#[derive(Debug)]
pub struct Layer4 {
    /// Without a byte either way; zero is no limit.
    pub idle: Duration,
    to: Target,
}

impl Layer4 {
    pub(super) fn build(written: &document::Layer4, upstreams: &[document::Upstream]) -> Result<Self, String> {
        Ok(Self { idle: Duration::from_millis(written.idle_ms), to: only_upstreams(&written.to, upstreams)? })
    }

    /// The upstream for a connection, as an index into the snapshot.
    pub fn lead(&self, subject: Option<&Subject<'_>>, dice: &mut Dice) -> Option<usize> {
        self.to.lead(subject, dice)
    }
}

fn only_upstreams(written: &document::Target, upstreams: &[document::Upstream]) -> Result<Target, String> {
    match Target::build(written, upstreams)? {
        target @ (Target::Upstream(_) | Target::Split(_)) => Ok(target),
        Target::Respond(_) | Target::Redirect(_) | Target::Builtin(_) => {
            Err("layer 4 leads to upstreams alone".to_owned())
        }
    }
}
