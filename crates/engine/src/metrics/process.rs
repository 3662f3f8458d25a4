//! What the kernel says of the process.

use std::fs;
use std::time::{Duration, SystemTime};

use rustix::process::{Resource, getrlimit};

/// The unit of CPU times in /proc (USER_HZ) on every Linux that Rust serves.
const TICKS_A_SECOND: u64 = 100;

/// Figures of this process; what cannot be read is 0.
pub(super) struct Process {
    /// CPU time, user and system.
    pub cpu: Duration,
    /// Resident memory in bytes.
    pub memory: u64,
    /// Descriptors open; the one that counts them is not counted.
    pub open_fds: u64,
    /// Descriptors that may be open.
    pub max_fds: u64,
}

impl Process {
    /// The figures now.
    pub(super) fn now() -> Self {
        // Fields of /proc/self/stat count from the closing bracket, as the name before it may hold anything: proc(5).
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks = |number: usize| -> u64 {
            after_name.split_ascii_whitespace().nth(number - 3).and_then(|field| field.parse().ok()).unwrap_or(0)
        };
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap_or(0);
        Self {
            cpu: Duration::from_millis((ticks(14) + ticks(15)).saturating_mul(1000 / TICKS_A_SECOND)),
            memory: kilobytes.saturating_mul(1024),
            open_fds: fs::read_dir("/proc/self/fd").map_or(0, |entries| (entries.count() as u64).saturating_sub(1)),
            max_fds: getrlimit(Resource::Nofile).current.unwrap_or(0),
        }
    }
}

/// Nanoseconds since 1970; 0 before it.
pub(super) fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
