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
    orders: UnboundedSender<Order>,
}

/// What the thread is told.
#[derive(Debug)]
enum Order {
    /// Check the endpoints of this snapshot.
    Follow(Arc<Compiled>),
    /// Check no more.
    Stop,
}

impl Prober {
    /// Starts it. It ends with the process.
    pub fn start(shared: Arc<Shared>) -> io::Result<Self> {
        let (orders, received) = unbounded_channel();
        std::thread::Builder::new().name("prober".into()).spawn(move || {
            match tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => runtime.block_on(run(&shared, received)),
                Err(error) => {
                    let says = format_args!("endpoints are not checked: {error}: the file limit may be too low");
                    shared.program.say(Level::Error, "health", says);
                }
            }
        })?;
        Ok(Self { orders })
    }

    /// From now on the endpoints of this snapshot are checked. Those that are as they were go on.
    pub fn follow(&self, compiled: &Arc<Compiled>) {
        // The thread ends with the process, and nobody checks then.
        let _ = self.orders.send(Order::Follow(Arc::clone(compiled)));
    }

    /// Endpoints are checked no more, since another worker does so; what is known of them stays. Failures of requests are
    /// still heeded.
    pub fn stop(&self) {
        let _ = self.orders.send(Order::Stop);
    }
}

async fn run(shared: &Arc<Shared>, mut orders: UnboundedReceiver<Order>) {
    let (mut rounds, mut watch) = (Rounds::new(Arc::clone(shared)), Watch::new(Arc::clone(shared)));
    let mut comparing = Comparing::new(Arc::clone(shared));
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Follow(compiled)) => {
                    rounds.follow(&compiled);
                    comparing.follow(&compiled);
                    watch.follow(&compiled);
                }
                Some(Order::Stop) => rounds.stop(),
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
