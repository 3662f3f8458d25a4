//! What became of the sessions of requests, counted over all threads.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// What became of the session of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// It stayed with its endpoint.
    Kept,
    /// There was none; it begins with the endpoint that served the request.
    Made,
    /// Its endpoint could not serve it: it is with another one from now on.
    Moved,
    /// What the request told names no endpoint, as of one that was removed: it begins anew.
    Gone,
    /// Its endpoint could not serve it, and the upstream is strict.
    Refused,
}

impl Kept {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Kept, Self::Made, Self::Moved, Self::Gone, Self::Refused];

    /// The word in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Made => "made",
            Self::Moved => "moved",
            Self::Gone => "gone",
            Self::Refused => "refused",
        }
    }
}

/// How often sessions of an upstream came to each of these; follows its name through snapshots. On cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Sessions([AtomicU64; Kept::ALL.len()]);

impl Sessions {
    /// Counts one.
    pub fn count(&self, kept: Kept) {
        if let Some(count) = self.0.get(kept as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often that was so.
    pub fn counted(&self, kept: Kept) -> u64 {
        self.0.get(kept as usize).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Shows every count, by name.
    pub fn each(&self, visit: &mut dyn FnMut(fmt::Arguments<'_>, &AtomicU64)) {
        for (kept, count) in Kept::ALL.iter().zip(&self.0) {
            visit(format_args!("sessions {}", kept.name()), count);
        }
    }
}
