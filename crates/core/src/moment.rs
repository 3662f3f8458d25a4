//! A point in time as the engine's clock gives it: nanoseconds since the engine began.

use std::time::Duration;

/// Nanoseconds since the engine began. `std::time::Instant` cannot be made from a number, and so not by a test.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Moment(u64);

impl Moment {
    /// Later than every moment that comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// The moment `nanos` nanoseconds after the engine began.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the engine began.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// This moment and `wait` more; [`Moment::NEVER`] where that overflows.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// This moment and `wait` more, where zero means that there is no limit: then [`Moment::NEVER`].
    #[must_use]
    pub fn after_unless_zero(self, wait: Duration) -> Self {
        if wait.is_zero() { Self::NEVER } else { self.after(wait) }
    }

    /// How long ago `earlier` was; zero if it is yet to come.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}
