//! The end: no work is begun any more, what is under way may end, until its time is over.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout_at;

use super::shared::Shared;
use super::thread::Order;
use crate::log::program::Level;

/// How long idle connections may still carry a request.
const GRACE: Duration = Duration::from_secs(2);

/// How long a thread may take to hand over what it has logged.
const LAST_LINES: Duration = Duration::from_secs(1);

/// How far the end has come.
#[derive(Debug, Default)]
pub(super) struct Drain {
    state: Mutex<State>,
    /// The end was brought forward.
    sooner: Notify,
    over: Condvar,
}

/// What the threads have logged goes to the writer: the process ends before they would hand it over by themselves.
fn gather_lines(threads: &[UnboundedSender<Order>]) {
    let (done, gathered) = sync_channel(threads.len());
    for thread in threads {
        // Threads live as long as the process; a failure to send means that it ends.
        let _ = thread.send(Order::HandLinesOver(done.clone()));
    }
    drop(done);
    while gathered.recv_timeout(LAST_LINES).is_ok() {}
}

#[derive(Debug, Default)]
struct State {
    end_by: Option<Instant>,
    has_begun: bool,
    is_over: bool,
}

impl Drain {
    /// Begins on a thread of its own. A second call with shorter times brings the end forward. Where another worker has
    /// `succeeded` this one, idle connections keep their own time: whoever asks once more over one is told to come anew.
    pub(super) fn begin(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        threads: Vec<UnboundedSender<Order>>,
        delay: Duration,
        timeout: Duration,
        succeeded: bool,
    ) {
        let grace = if succeeded { timeout } else { GRACE.min(timeout / 4) };
        let begin = Instant::now() + delay;
        let end = begin + timeout;
        let (known, has_begun) = {
            let mut state = self.state();
            let known = state.end_by;
            state.end_by = Some(known.map_or(end, |known| known.min(end)));
            (known, state.has_begun)
        };
        if known.is_some() {
            if has_begun {
                let _ = leave(shared, &threads, delay + grace);
            }
            self.sooner.notify_one();
            return;
        }
        let (drain, shared) = (Arc::clone(self), Arc::clone(shared));
        let started = std::thread::Builder::new().name("drain".into()).spawn(move || {
            // Only timers: nothing here needs a descriptor, of which there may be none left.
            if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build() {
                runtime.block_on(drain.run(&shared, &threads, begin, grace));
            }
            gather_lines(&threads);
            drain.end();
        });
        if started.is_err() {
            self.end(); // without its thread it could not end: so at once
        }
    }

    async fn run(&self, shared: &Shared, threads: &[UnboundedSender<Order>], begin: Instant, grace: Duration) {
        self.at_most_until_the_end(tokio::time::sleep_until(begin.into())).await;
        self.state().has_begun = true;
        let mut left = leave(shared, threads, grace);
        // Until all of them have, one may still let somebody in, who would be cut.
        self.at_most_until_the_end(async { while left.recv().await.is_some() {} }).await;
        self.at_most_until_the_end(shared.seats.emptied()).await;
        self.at_most_until_the_end(shared.elder.gone()).await; // what it tells us our heir must hear
        match shared.seats.taken() {
            0 => shared.program.say(Level::Info, "drain", "every connection has ended"),
            left => {
                shared.program.say(Level::Warning, "drain", format_args!("time is over: {left} connections are cut"));
                for thread in threads {
                    // Threads live as long as the process; a failure to send means that it ends.
                    let _ = thread.send(Order::Cut);
                }
                // Each tells of itself; a thread that is stuck does not hold the others up.
                let _ = tokio::time::timeout(LAST_LINES, shared.seats.emptied()).await;
            }
        }
    }

    /// Waits for something, but not beyond the end, which may be brought forward meanwhile.
    async fn at_most_until_the_end(&self, something: impl Future<Output = ()>) {
        let mut something = std::pin::pin!(something);
        loop {
            let Some(end) = self.state().end_by else { return };
            tokio::select! {
                _ = timeout_at(end.into(), &mut something) => return,
                () = self.sooner.notified() => {}
            }
        }
    }

    fn end(&self) {
        self.state().is_over = true;
        self.over.notify_all();
    }

    /// Blocks until it is over.
    pub(super) fn wait(&self) {
        let is_not_over = |state: &mut State| !state.is_over;
        drop(self.over.wait_while(self.state(), is_not_over).unwrap_or_else(PoisonError::into_inner));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the threads to accept no more; idle connections go after `grace`. Ends with the last thread that has done so.
fn leave(shared: &Shared, threads: &[UnboundedSender<Order>], grace: Duration) -> UnboundedReceiver<()> {
    let (done, left) = unbounded_channel();
    for thread in threads {
        // Threads live as long as the process; a failure to send means that it ends.
        let _ = thread.send(Order::Leave(shared.now().after(grace), done.clone()));
    }
    left
}
