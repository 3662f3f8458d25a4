//! What the control thread asks of the engine: the only thing that it knows of it.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tidegate_core::snapshot::document;

/// The engine as the control thread sees it. Called from the control threads only, one call at a time, but for
/// [`Machine::wait_drained`] and what the watchdog calls, which have threads of their own and may run beside any other.
pub trait Machine: Send + Sync + 'static {
    /// Takes listening sockets for coming snapshots: id, address, descriptor.
    fn add_sockets(&self, sockets: Vec<(u32, String, OwnedFd)>);

    /// Duplicates of all sockets held, for a supervisor that adopts this worker.
    fn sockets(&self) -> Vec<(u32, String, OwnedFd)>;

    /// Keeps secrets, by id, for the snapshot that follows.
    fn keep_secrets(&self, secrets: HashMap<String, String>);

    /// Keeps what named sets hold, by digest, for the snapshot that follows.
    fn keep_sets(&self, sets: HashMap<String, String>) -> Result<(), String>;

    /// Keeps a database that tells where clients are, by its digest, for the snapshot that follows.
    fn keep_database(&self, digest: String, file: OwnedFd) -> Result<(), String>;

    /// Serves `document`; returns when every thread does. On an error nothing has changed.
    fn apply(&self, document: document::Document) -> Result<(), String>;

    /// Serves another upstream in place of the one of this name; returns when every thread does.
    fn change_upstream(&self, upstream: document::Upstream) -> Result<(), String>;

    /// Leads the requests of a route elsewhere; returns when every thread does.
    fn change_route(&self, route: &str, to: document::Target) -> Result<(), String>;

    /// Keeps when the list of each provider of endpoints was last known to hold, in seconds since 1970.
    fn keep_providers(&self, good: HashMap<String, f64>);

    /// Shows these to issuers of certificates from now on, and no others.
    fn keep_challenges(&self, answers: HashMap<String, String>) -> Result<(), String>;

    /// What was counted of a route by each upstream that it leads to, while it leads to several: `items`.
    fn targets(&self, route: &str) -> serde_json::Value;

    /// Begins to drain and returns at once. A second call with shorter times brings the end forward. Where the worker is
    /// `succeeded` by another on the same sockets, `/readyz` does not fail, and idle connections keep their own time.
    fn drain(&self, delay: Duration, timeout: Duration, succeeded: bool);

    /// Tells whoever is at the other end of the first socket all that it is to go on from, once it takes this worker's place,
    /// and what changes after that; over the second, which keeps packets whole, the two pass datagrams. Returns at once.
    /// Without sockets nobody is told any more.
    fn name_heir(&self, sockets: Option<[OwnedFd; 2]>) -> Result<(), String>;

    /// Takes over what the worker at the other end of these sockets knows; returns when all is known. Before any snapshot.
    fn meet_elder(&self, sockets: [OwnedFd; 2]) -> Result<(), String>;

    /// Opens the files of the access log anew.
    fn reopen_logs(&self);

    /// Writes to these from now on, in place of the stdout and stderr that the process was started with.
    fn take_streams(&self, stdout: OwnedFd, stderr: OwnedFd) -> Result<(), String>;

    /// Connections, threads and listeners, as `tidegate status --json` shows them.
    fn status(&self) -> serde_json::Value;

    /// A page of what is told of upstreams, from the row at this place, `brief` as the status has it: `items`, and where the
    /// next page begins.
    fn upstreams(&self, first: usize, brief: bool) -> serde_json::Value;

    /// A page of the routes and what was counted of them, in the same way.
    fn routes(&self, first: usize) -> serde_json::Value;

    /// The number of the snapshot that is served.
    fn snapshot_number(&self) -> Option<u64>;

    /// Blocks until a drain has ended.
    fn wait_drained(&self);

    /// How far each thread has come; none when that cannot be seen now. Must not wait for a thread that could be stuck.
    fn beats(&self) -> Option<Vec<Beat>>;

    /// Says in the program's log what an operator should look at.
    fn warn(&self, says: &str);

    /// Says in the program's log why the process ends now, and waits until that is written, a second at most.
    fn last_words(&self, says: &str);
}

/// How far one thread has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The thread's name.
    pub thread: String,
    /// Rises at least once a second while the thread is well.
    pub count: u64,
    /// The route that it served last.
    pub route: String,
    /// The stage of the road where it was last.
    pub stage: &'static str,
}
