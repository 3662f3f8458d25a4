//! Who has the session of a flow: a thread, or the worker whose place this one takes.
//!
//! The kernel gives the datagrams of a flow to one socket, and a socket has one thread, so nearly always the thread that
//! reads is the one that has the session. Where a reload has changed the number of threads, sockets have gone to other
//! threads, and what these read of the older sessions they hand on. So it is after an upgrade: the new worker reads, and
//! hands on what belongs to sessions of the old one, until these have ended.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use tidegate_core::layer4::Flow;
use tokio::sync::mpsc::UnboundedSender;

use crate::succession::line::{Line, Passed, ReadAt};
use crate::threads::thread::Order;

/// Most datagrams on their way from thread to thread, in all; beyond that they are dropped.
const MOST_IN_TRANSIT: usize = 1024;

/// How long a thread may take to stop reading.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who has the session of a flow.
#[derive(Debug, Default)]
pub struct Owners {
    known: Mutex<Known>,
    in_transit: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Known {
    by_flow: HashMap<Flow, Owner>,
    threads: Vec<UnboundedSender<Order>>,
    /// The worker whose place this one takes, as long as it has sessions.
    elder: Option<Arc<Line>>,
    /// The worker that takes this one's place, once it reads.
    heir: Option<Arc<Line>>,
    /// Flows that have ended since the heir was told.
    ended: Vec<Flow>,
}

/// Who has a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owner {
    /// The thread of this number.
    Thread(usize),
    /// The worker whose place this one takes.
    Elder,
}

/// What became of a datagram that was to be handed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum HandedOn {
    /// It is on its way.
    Yes,
    /// There was no room for it.
    Full,
    /// Nobody has its session any more.
    Nobody,
}

/// A datagram on its way to the thread that has its session.
#[derive(Debug)]
pub struct Handover {
    /// The name of the listener, where this worker has read it.
    pub listener: Option<String>,
    /// Whose it is.
    pub flow: Flow,
    /// What it holds.
    pub bytes: Box<[u8]>,
    /// Where it was read, in this worker or another.
    pub read_at: ReadAt,
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
        self.owners.known().forget(self.flow);
    }
}

impl Owners {
    /// A thread has begun; they come in the order of their numbers.
    pub fn begin(&self, thread: UnboundedSender<Order>) {
        self.known().threads.push(thread);
    }

    /// Says that the flow is the thread's from now on. Where another one has it, who.
    pub(super) fn claim(self: &Arc<Self>, flow: Flow, thread: usize) -> Result<Claim, Owner> {
        match self.known().by_flow.entry(flow) {
            Entry::Occupied(taken) => return Err(*taken.get()),
            Entry::Vacant(free) => free.insert(Owner::Thread(thread)),
        };
        Ok(Claim { owners: Arc::clone(self), flow })
    }

    /// Hands a datagram of a listener on to the one who has its flow.
    pub(super) fn hand_on(&self, owner: Owner, listener: &str, flow: Flow, bytes: &[u8], read_at: ReadAt) -> HandedOn {
        match owner {
            Owner::Thread(thread) => self.send(thread, Some(listener.to_owned()), flow, bytes, read_at),
            Owner::Elder => {
                let Some(elder) = self.known().elder.clone() else { return HandedOn::Nobody };
                match elder.pass(&Passed { is_back: false, read_at, flow, bytes }) {
                    Ok(()) => HandedOn::Yes,
                    Err(error) if is_gone(&error) => {
                        self.forget_elder();
                        HandedOn::Nobody
                    }
                    Err(_) => HandedOn::Full,
                }
            }
        }
    }

    fn send(&self, thread: usize, listener: Option<String>, flow: Flow, bytes: &[u8], read_at: ReadAt) -> HandedOn {
        let in_transit = self.in_transit.fetch_add(1, Ordering::Relaxed);
        let transit = Transit(Arc::clone(&self.in_transit));
        let known = self.known();
        let Some(owner) = known.threads.get(thread).filter(|_| in_transit < MOST_IN_TRANSIT) else {
            return HandedOn::Full;
        };
        let datagram = Handover { listener, flow, bytes: bytes.into(), read_at, _transit: transit };
        let sent = owner.send(Order::Datagram(Box::new(datagram)));
        if sent.is_ok() { HandedOn::Yes } else { HandedOn::Full }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the worker does whose place another one takes.
impl Owners {
    /// Reads no more, since the heir does from now on, and says which flows it must not take for its own.
    pub fn rest(&self, heir: Arc<Line>) -> Vec<Flow> {
        let (done, rested) = sync_channel(1024);
        let threads = self.known().threads.clone();
        let asked = threads.iter().filter(|thread| thread.send(Order::Rest(done.clone())).is_ok()).count();
        for _ in 0..asked {
            if rested.recv_timeout(PATIENCE).is_err() {
                break; // it is stuck, and reads nothing either
            }
        }
        let mut known = self.known();
        known.heir = Some(heir);
        known.ended.clear();
        known.by_flow.keys().copied().collect()
    }

    /// Reads again: there is no heir any more.
    pub fn read_again(&self) {
        let mut known = self.known();
        if known.heir.take().is_some() {
            for thread in &known.threads {
                // Threads live as long as the process; a failure to send means that it ends.
                let _ = thread.send(Order::Read);
            }
        }
    }

    /// The flows that have ended since this was asked last.
    pub fn ended(&self) -> Vec<Flow> {
        std::mem::take(&mut self.known().ended)
    }

    /// The heir has read a datagram of a session of ours, or one that was ours.
    pub fn take_from_heir(&self, passed: &Passed<'_>) {
        let (owner, elder) = {
            let known = self.known();
            (known.by_flow.get(&passed.flow).copied(), known.elder.clone())
        };
        let Passed { flow, bytes, read_at, .. } = *passed;
        match (owner, elder) {
            // Where there is no room it is lost, as it would be between two threads.
            (Some(Owner::Thread(thread)), _) => {
                let _ = self.send(thread, None, flow, bytes, read_at);
            }
            (Some(Owner::Elder), Some(elder)) => match elder.pass(passed) {
                Err(error) if is_gone(&error) => {
                    self.forget_elder();
                    self.give_back(flow, bytes, read_at);
                }
                Ok(()) | Err(_) => {}
            },
            (Some(Owner::Elder), None) | (None, _) => {
                self.give_back(flow, bytes, read_at);
            }
        }
    }

    /// Gives the heir back what it has read of a session that is over. Whether there is an heir.
    pub(super) fn give_back(&self, flow: Flow, bytes: &[u8], read_at: ReadAt) -> bool {
        let Some(heir) = self.known().heir.clone() else { return false };
        heir.pass(&Passed { is_back: true, read_at, flow, bytes }).is_ok()
    }
}

/// What the worker does that takes the place of another.
impl Owners {
    /// There is a worker whose place this one takes, with these flows.
    pub fn know_elder(&self, elder: &Arc<Line>, flows: Vec<Flow>) {
        let mut known = self.known();
        known.elder = Some(Arc::clone(elder));
        for flow in flows {
            known.by_flow.entry(flow).or_insert(Owner::Elder);
        }
    }

    /// These flows of it have ended.
    pub fn forget_flows(&self, flows: &[Flow]) {
        let mut known = self.known();
        for flow in flows {
            if known.by_flow.get(flow) == Some(&Owner::Elder) {
                known.forget(*flow);
            }
        }
    }

    /// It has no sessions any more.
    pub fn forget_elder(&self) {
        let mut known = self.known();
        known.elder = None;
        let flows: Vec<Flow> =
            known.by_flow.iter().filter(|(_, owner)| **owner == Owner::Elder).map(|(flow, _)| *flow).collect();
        flows.into_iter().for_each(|flow| known.forget(flow));
    }

    /// It gives back a datagram of a session that is over: whoever has read it takes it for one that begins a session.
    pub fn take_back(&self, passed: &Passed<'_>) {
        let Passed { flow, bytes, read_at, .. } = *passed;
        self.forget_flows(&[flow]);
        if !self.give_back(flow, bytes, read_at) {
            // Where the thread has ended since, or is flooded, it is lost.
            let _ = self.send(read_at.thread as usize, None, flow, bytes, read_at);
        }
    }
}

impl Known {
    fn forget(&mut self, flow: Flow) {
        self.by_flow.remove(&flow);
        if self.heir.is_some() {
            self.ended.push(flow);
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN))
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    const HERE: ReadAt = ReadAt { thread: 0, port: 1 };

    fn flow(port: u16) -> Flow {
        Flow { client: ([192, 0, 2, 1], port).into(), local: ([192, 0, 2, 9], 53).into() }
    }

    #[test]
    fn a_flow_is_one_threads_until_it_lets_it_go() {
        let owners = Arc::new(Owners::default());
        let claim = owners.claim(flow(1), 0).expect("it is free");
        assert_eq!(owners.claim(flow(1), 1).err(), Some(Owner::Thread(0)));
        assert!(owners.claim(flow(2), 1).is_ok());
        drop(claim);
        assert!(owners.claim(flow(1), 1).is_ok());
    }

    #[test]
    fn no_more_than_so_many_datagrams_wait_for_a_thread() {
        let owners = Owners::default();
        let (sender, mut waiting) = unbounded_channel();
        owners.begin(sender);
        let hand_on = |thread| owners.hand_on(Owner::Thread(thread), "dns", flow(1), b"?", HERE);
        assert!((0..MOST_IN_TRANSIT).all(|_| hand_on(0) == HandedOn::Yes));
        assert_eq!(hand_on(0), HandedOn::Full);
        drop(waiting.try_recv().expect("one waits"));
        assert_eq!(hand_on(0), HandedOn::Yes);
        assert_eq!(hand_on(1), HandedOn::Full, "there is no such thread");
    }

    /// Two workers and the line between them.
    fn workers() -> (Arc<Owners>, Arc<Line>, Arc<Owners>, Arc<Line>) {
        let pair = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
        let (one, two) = pair.expect("a pair");
        (Arc::default(), Arc::new(Line::new(one)), Arc::default(), Arc::new(Line::new(two)))
    }

    /// What comes next over a line: whether it is given back, and what it holds.
    fn next(line: &Line, take: impl FnOnce(&Passed<'_>)) -> (bool, Vec<u8>) {
        let mut came = None;
        let mut take = Some(take);
        line.listen(|passed| {
            if let Some(take) = take.take() {
                take(&passed);
            }
            came = Some((passed.is_back, passed.bytes.to_vec()));
            false
        });
        came.expect("it came")
    }

    #[test]
    fn what_the_heir_reads_of_an_elders_session_goes_to_its_thread_and_comes_back_once_that_is_over() {
        let (old, to_heir, new, to_elder) = workers();
        let ((sender, mut of_old), (other, mut of_new)) = (unbounded_channel(), unbounded_channel());
        old.begin(sender);
        let claim = old.claim(flow(1), 0).expect("it is free");
        let rests = std::thread::spawn({
            let (old, to_heir) = (Arc::clone(&old), Arc::clone(&to_heir));
            move || old.rest(to_heir)
        });
        let Some(Order::Rest(done)) = of_old.blocking_recv() else { panic!("another order") };
        done.send(()).expect("it waits");
        new.know_elder(&to_elder, rests.join().expect("its flows"));
        new.begin(other);
        let owner = new.claim(flow(1), 0).expect_err("it is the elder's");
        assert_eq!(new.hand_on(owner, "dns", flow(1), b"one", HERE), HandedOn::Yes);
        assert_eq!(next(&to_heir, |passed| old.take_from_heir(passed)), (false, b"one".to_vec()));
        assert!(matches!(of_old.try_recv().expect("it came"), Order::Datagram(came) if *came.bytes == *b"one"));

        drop(claim);
        assert_eq!(new.hand_on(owner, "dns", flow(1), b"two", HERE), HandedOn::Yes, "it has not been told yet");
        next(&to_heir, |passed| old.take_from_heir(passed));
        assert_eq!(next(&to_elder, |passed| new.take_back(passed)), (true, b"two".to_vec()));
        assert!(matches!(of_new.try_recv().expect("it is back"), Order::Datagram(back) if *back.bytes == *b"two"));
        assert_eq!(old.ended(), [flow(1)]);
        assert!(new.claim(flow(1), 0).is_ok(), "it is the heir's from now on");
    }

    #[test]
    fn an_elder_that_has_ended_has_no_flows() {
        let (old, to_heir, new, to_elder) = workers();
        new.know_elder(&to_elder, vec![flow(1), flow(2)]);
        new.forget_flows(&[flow(2)]);
        assert!(new.claim(flow(2), 0).is_ok());
        drop((old, to_heir));
        let owner = new.claim(flow(1), 0).expect_err("nobody has told that it is gone");
        assert_eq!(new.hand_on(owner, "dns", flow(1), b"?", HERE), HandedOn::Nobody);
        assert!(new.claim(flow(1), 0).is_ok());
    }
}
