//! What the worker gives up: it holds keys and clients' data, so it leaves no core dump and cannot be traced by a peer.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// No core dumps, and no tracing by processes of the same user.
pub(super) fn lock_down() -> std::io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}
