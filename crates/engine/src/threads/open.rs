//! A connection that is open: counted in all, on its listener and for its client, until it is dropped.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::rc::Rc;

use tidegate_core::lane::Turn;

use super::listener::ListenerState;
use super::thread::Thread;
use crate::accept::Taken;
use crate::accept::crowd::Member;

/// A connection that is open.
pub struct Open {
    /// The thread that serves it.
    pub thread: Rc<Thread>,
    /// Where it came in.
    pub listener: Rc<ListenerState>,
    /// Boxed, since most listeners bound nothing for a client.
    member: OnceCell<Box<Member>>,
    _seats: Taken,
}

impl Open {
    /// Counts a connection that has its seats.
    pub fn begin(thread: Rc<Thread>, listener: Rc<ListenerState>, seats: Taken) -> Self {
        listener.metrics.accepted.one();
        Self { thread, listener, member: OnceCell::new(), _seats: seats }
    }

    /// Counts the connection for its client, once it is known who that is.
    pub fn meet(&self, client: Option<IpAddr>) {
        let member = client.and_then(|client| self.listener.crowd.join(client, self.thread.now()));
        if let Some(member) = member {
            // It is met once.
            let _ = self.member.set(Box::new(member));
        }
        if self.is_crowded() {
            self.listener.metrics.refused.one();
        }
    }

    /// Lets the connection's lane look at what it may.
    pub fn turn<T>(&self, look: impl FnOnce(&mut Turn<'_>) -> T) -> T {
        self.thread.turn(&self.listener, self.is_crowded(), look)
    }

    /// Whether its client has, or has begun, more than it may.
    pub fn is_crowded(&self) -> bool {
        self.member.get().is_some_and(|member| member.is_too_much)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.listener.metrics.closed.one();
        self.thread.shared.ended.ring();
    }
}
