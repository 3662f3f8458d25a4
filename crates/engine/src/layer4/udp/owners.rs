//! Which thread has the session of a flow.
//!
//! The kernel gives the datagrams of a flow to one socket, and a socket has one thread, so nearly always the thread that
//! reads is the one that has the session. Where a reload has changed the number of threads, sockets have gone to other
//! threads, and what these read of the older sessions they hand on.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_core::layer4::Flow;
use tokio::sync::mpsc::UnboundedSender;

use crate::threads::thread::Order;

/// Most datagrams on their way from thread to thread, in all; beyond that they are dropped.
const MOST_IN_TRANSIT: usize = 1024;

/// Which thread has the session of a flow.
#[derive(Debug, Default)]
pub struct Owners {
    known: Mutex<Known>,
    in_transit: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Known {
    by_flow: HashMap<Flow, usize>,
    threads: Vec<UnboundedSender<Order>>,
}

/// A datagram on its way to the thread that has its session.
#[derive(Debug)]
pub struct Handover {
    /// The name of the listener.
    pub listener: String,
    /// Whose it is.
    pub flow: Flow,
    /// What it holds.
    pub bytes: Box<[u8]>,
    _transit: Transit,
}

#[derive(Debug)]
struct Transit(Arc<AtomicUsize>);

impl Drop for Transit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A flow that a thread has, until it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    owners: Arc<Owners>,
    flow: Flow,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.owners.known().by_flow.remove(&self.flow);
    }
}

impl Owners {
    /// A thread has begun; they come in the order of their numbers.
    pub fn begin(&self, thread: UnboundedSender<Order>) {
        self.known().threads.push(thread);
    }

    /// Says that the flow is the thread's from now on. Where another one has it, that one's number.
    pub(super) fn claim(self: &Arc<Self>, flow: Flow, thread: usize) -> Result<Claim, usize> {
        match self.known().by_flow.entry(flow) {
            Entry::Occupied(taken) => return Err(*taken.get()),
            Entry::Vacant(free) => free.insert(thread),
        };
        Ok(Claim { owners: Arc::clone(self), flow })
    }

    /// Hands a datagram on to the thread that has its flow. Whether there was room for it.
    pub(super) fn hand_on(&self, thread: usize, listener: &str, flow: Flow, bytes: &[u8]) -> bool {
        let in_transit = self.in_transit.fetch_add(1, Ordering::Relaxed);
        let transit = Transit(Arc::clone(&self.in_transit));
        let known = self.known();
        let Some(owner) = known.threads.get(thread).filter(|_| in_transit < MOST_IN_TRANSIT) else { return false };
        let datagram = Handover { listener: listener.to_owned(), flow, bytes: bytes.into(), _transit: transit };
        owner.send(Order::Datagram(Box::new(datagram))).is_ok()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    fn flow(port: u16) -> Flow {
        Flow { client: ([192, 0, 2, 1], port).into(), local: ([192, 0, 2, 9], 53).into() }
    }

    #[test]
    fn a_flow_is_one_threads_until_it_lets_it_go() {
        let owners = Arc::new(Owners::default());
        let claim = owners.claim(flow(1), 0).expect("it is free");
        assert_eq!(owners.claim(flow(1), 1).err(), Some(0));
        assert!(owners.claim(flow(2), 1).is_ok());
        drop(claim);
        assert!(owners.claim(flow(1), 1).is_ok());
    }

    #[test]
    fn no_more_than_so_many_datagrams_wait_for_a_thread() {
        let owners = Owners::default();
        let (sender, mut waiting) = unbounded_channel();
        owners.begin(sender);
        let hand_on = || owners.hand_on(0, "dns", flow(1), b"?");
        assert!((0..MOST_IN_TRANSIT).all(|_| hand_on()));
        assert!(!hand_on());
        drop(waiting.try_recv().expect("one waits"));
        assert!(hand_on());
        assert!(!owners.hand_on(1, "dns", flow(1), b"?"), "there is no such thread");
    }
}
