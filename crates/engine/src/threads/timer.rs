//! The one timer of a connection: a later deadline only writes a number; a timer that fires too early is set again.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tidegate_core::moment::Moment;
use tokio::time::Sleep;

use super::thread::Thread;

/// The one timer of a connection. Boxed once it is needed.
pub struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    armed: Moment,
}

impl Default for Timer {
    fn default() -> Self {
        Self { sleep: None, armed: Moment::NEVER }
    }
}

impl Timer {
    /// Ready once it is `deadline`.
    pub fn poll(&mut self, deadline: Moment, thread: &Thread, cx: &mut Context<'_>) -> Poll<()> {
        if deadline == Moment::NEVER {
            return Poll::Pending;
        }
        let now = thread.now();
        if now >= deadline {
            self.armed = Moment::NEVER;
            return Poll::Ready(());
        }
        if self.armed <= deadline && self.armed > now {
            return Poll::Pending;
        }
        self.armed = deadline;
        let at = thread.instant(deadline);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        sleep.as_mut().reset(at);
        sleep.as_mut().poll(cx).map(|()| self.armed = Moment::NEVER)
    }

    /// Whether what it was set for has come.
    pub fn is_due(&self, now: Moment) -> bool {
        self.armed <= now
    }
}
