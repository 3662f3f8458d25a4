//! The thread `prober`: checks the endpoints, compares what became of their requests, and tells every change of their
//! standing. One for the process, whatever the number of serving threads.
//!
//! What a check asks and what its answer means is the core's (`crates/core/src/health/`). May use: tokio, core, pool
//! (streams), metrics, log. Must not know: lanes, Python. In Rust because checks go on while Python is stopped.

mod ask; // one check, over a connection of its own
mod compare; // endpoints that are far from the others of their upstream
mod rounds; // which addresses are checked, and for whom
mod watch; // changes of standing, as log and metrics tell them

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::moment::Moment;
use tidegate_core::snapshot::compiled::Compiled;
use tokio::runtime::LocalOptions;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::log::Level;
use crate::threads::shared::Shared;
use compare::Comparing;
use rounds::Rounds;
use watch::Watch;

/// How often it looks for changes that others made, and for what time has ended.
const TICK: Duration = Duration::from_millis(200);

/// The thread that checks.
#[derive(Debug)]
pub struct Prober {
    snapshots: UnboundedSender<Arc<Compiled>>,
}

impl Prober {
    /// Starts it. It ends with the process.
    pub fn start(shared: Arc<Shared>) -> io::Result<Self> {
        let (snapshots, received) = unbounded_channel();
        std::thread::Builder::new().name("prober".into()).spawn(move || {
            match tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => runtime.block_on(run(&shared, received)),
                Err(error) => {
                    let says = format_args!("endpoints are not checked: {error}: the file limit may be too low");
                    shared.program.say(Level::Error, "health", says);
                }
            }
        })?;
        Ok(Self { snapshots })
    }

    /// From now on the endpoints of this snapshot are checked. Those that are as they were go on.
    pub fn follow(&self, compiled: &Arc<Compiled>) {
        // The thread ends with the process, and nobody checks then.
        let _ = self.snapshots.send(Arc::clone(compiled));
    }
}

async fn run(shared: &Arc<Shared>, mut snapshots: UnboundedReceiver<Arc<Compiled>>) {
    let (mut rounds, mut watch) = (Rounds::new(Arc::clone(shared)), Watch::new(Arc::clone(shared)));
    let mut comparing = Comparing::new(Arc::clone(shared));
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            snapshot = snapshots.recv() => match snapshot {
                Some(compiled) => {
                    rounds.follow(&compiled);
                    comparing.follow(&compiled);
                    watch.follow(&compiled);
                }
                None => return,
            },
            _ = ticks.tick() => {
                comparing.look();
                watch.look();
            }
        }
    }
}

/// The clock's reading at `moment`.
fn instant(shared: &Shared, moment: Moment) -> tokio::time::Instant {
    let at = shared.began.checked_add(Duration::from_nanos(moment.as_nanos()));
    at.unwrap_or_else(|| std::time::Instant::now() + Duration::from_secs(86_400)).into()
}
