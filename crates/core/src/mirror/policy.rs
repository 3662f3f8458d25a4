//! Which requests of a route are copied, and where the copies go.

use std::time::Duration;

use crate::balance::Lead;
use crate::dice::Dice;
use crate::snapshot::document;

/// Where copies of a route's requests go.
#[derive(Debug)]
pub struct Mirror {
    /// The upstream, all of it.
    pub lead: Lead,
    /// Of a hundred requests, so many are copied.
    percent: u32,
    /// Most bytes of a body that are copied; no request with a longer one is.
    pub body: usize,
    /// Most copies that are under way at once to this upstream.
    pub most: u32,
    /// Longest time that one may take, from the choice of an endpoint to the end of the answer.
    pub timeout: Duration,
}

impl Mirror {
    /// As it is written. Fails where the snapshot has no such upstream.
    pub fn build(written: &document::Mirror, upstreams: usize) -> Result<Self, String> {
        let upstream = u32::try_from(written.to).ok().filter(|_| written.to < upstreams);
        let upstream = upstream.ok_or_else(|| format!("mirror: there is no upstream number {}", written.to))?;
        Ok(Self {
            lead: Lead { upstream, part: 0 },
            percent: written.share,
            body: usize::try_from(written.body).unwrap_or(usize::MAX),
            most: written.most,
            timeout: Duration::from_millis(written.timeout_ms),
        })
    }

    /// Whether the next request is one of the share.
    pub fn takes(&self, dice: &mut Dice) -> bool {
        self.percent >= 100 || (dice.below(100) as u64) < u64::from(self.percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_taken_and_only_an_upstream_that_is_there() {
        let written = |share| document::Mirror { to: 0, share, body: 1, most: 1, timeout_ms: 1 };
        let mut dice = Dice::seeded(1);
        for share in [0, 1, 10, 50, 99, 100] {
            let mirror = Mirror::build(&written(share), 1).unwrap();
            let taken = (0..10_000).filter(|_| mirror.takes(&mut dice)).count();
            assert!(taken.abs_diff(share as usize * 100) <= 200, "{share} %: {taken} of 10000");
        }
        assert_eq!(Mirror::build(&written(1), 0).unwrap_err(), "mirror: there is no upstream number 0");
    }
}
