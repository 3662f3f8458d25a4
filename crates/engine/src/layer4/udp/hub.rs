//! The sessions of a listener on one thread: whose a datagram is, where it goes, and what comes back.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;
use tidegate_core::failure::{Failure, Kind, Stage};
use tidegate_core::filter::forwarded::Peer;
use tidegate_core::layer4::{Dropped, Flow, Key, Session as Life, Sessions, Verdict};
use tidegate_core::moment::Moment;
use tokio::io::unix::AsyncFd;

use super::link::{Link, unreachable};
use super::owners::{Claim, HandedOn, Owner};
use super::port::Port;
use crate::exchange::lease::kind_of;
use crate::layer4::report;
use crate::succession::line::ReadAt;
use crate::sys::datagrams::MOST;
use crate::sys::readiness::DATAGRAMS;
use crate::threads::listener::ListenerState;
use crate::threads::open::Open;
use crate::threads::thread::Thread;

/// So often a datagram is tried on another socket before it is given up.
const TRIES: usize = 8;

/// The sessions of a listener on one thread.
pub(super) struct Hub {
    thread: Rc<Thread>,
    listener: Rc<ListenerState>,
    sessions: RefCell<Sessions<Session>>,
}

/// One session.
pub(super) struct Session {
    /// What is decided of it.
    pub(super) life: Life,
    open: Open,
    port: Rc<Port>,
    flow: Flow,
    /// None once it takes no more datagrams of its client.
    claim: Option<Claim>,
    link: Option<Link>,
}

impl Hub {
    /// Without sessions.
    pub(super) fn new(thread: Rc<Thread>, listener: Rc<ListenerState>) -> Rc<Self> {
        Rc::new(Self { thread, listener, sessions: RefCell::default() })
    }

    /// Whose thread it is.
    pub(super) fn thread(&self) -> &Thread {
        &self.thread
    }

    /// A datagram of a client came to `port`.
    pub(super) fn take(self: &Rc<Self>, flow: Flow, bytes: &[u8], port: &Rc<Port>) {
        let known = self.sessions.borrow().find(&flow);
        let key = match known {
            Some(key) => key,
            None => match self.claim(flow, bytes, port) {
                Ok(Some(claim)) => match self.begin(flow, claim, port) {
                    Ok(key) => key,
                    Err(why) => return self.dropped(why),
                },
                Ok(None) => return,
                Err(why) => return self.dropped(why),
            },
        };
        self.pass_on(key, bytes);
    }

    /// Says that the flow is this thread's from now on. Nothing where another one, who has it, was handed the datagram.
    fn claim(&self, flow: Flow, bytes: &[u8], port: &Rc<Port>) -> Result<Option<Claim>, Dropped> {
        let (owners, here) = (&self.thread.shared.owners, self.thread.index);
        let read_at = ReadAt { thread: u32::try_from(here).unwrap_or(u32::MAX), port: port.id };
        let hand_on = |owner: Owner| owners.hand_on(owner, &self.listener.name, flow, bytes, read_at);
        // An older worker may turn out to have ended; then nobody has the flow, and it is claimed once more.
        for _ in 0..2 {
            match owners.claim(flow, here) {
                Ok(claim) => return Ok(Some(claim)),
                Err(owner) => match hand_on(owner) {
                    HandedOn::Yes => return Ok(None),
                    HandedOn::Full => return Err(Dropped::Handover),
                    HandedOn::Nobody => {}
                },
            }
        }
        Err(Dropped::Handover)
    }

    /// A datagram came that another thread has read, or another worker. Whether its session is here.
    pub(super) fn take_over(self: &Rc<Self>, flow: &Flow, bytes: &[u8]) -> bool {
        let known = self.sessions.borrow().find(flow);
        known.map(|key| self.pass_on(key, bytes)).is_some()
    }

    fn begin(&self, flow: Flow, claim: Claim, port: &Rc<Port>) -> Result<Key, Dropped> {
        let seat = self.listener.crowd.seats.try_take().ok_or(Dropped::Sessions)?;
        let among_all = self.thread.shared.seats.try_take().ok_or(Dropped::Sessions)?;
        let peer = Peer::new(Some(flow.client), Some(flow.local));
        let open = Open::begin(Rc::clone(&self.thread), Rc::clone(&self.listener), (seat, Some(among_all)));
        open.meet(peer.ip());
        if open.is_crowded() {
            return Err(Dropped::Client);
        }
        let life = open.turn(|turn| Life::new(peer, turn));
        let session = Session { life, open, port: Rc::clone(port), flow, claim: Some(claim), link: None };
        Ok(self.sessions.borrow_mut().begin(flow, self.thread.now(), session))
    }

    fn pass_on(self: &Rc<Self>, key: Key, bytes: &[u8]) {
        match self.try_to_pass_on(key, bytes) {
            Ok(()) => {}
            Err(Lost { why, is_end }) => {
                self.dropped(why);
                if is_end {
                    self.end(key, None);
                }
            }
        }
    }

    fn try_to_pass_on(self: &Rc<Self>, key: Key, bytes: &[u8]) -> Result<(), Lost> {
        let (sessions, now) = (&mut *self.sessions.borrow_mut(), self.thread.now());
        sessions.touch(key, now);
        let Some(session) = sessions.get_mut(key) else { return Ok(()) };
        let mut verdict = session.open.turn(|turn| session.life.datagram(turn));
        for _ in 0..TRIES {
            verdict = match verdict {
                Verdict::Connect(chosen) => match Link::open(session, chosen, &self.thread) {
                    Ok(link) => {
                        self.open_link(key, session, link);
                        Verdict::Send
                    }
                    Err(kind) => session.open.turn(|turn| session.life.connect_failed(kind, turn)),
                },
                Verdict::Send => match session.link.as_ref().map(|link| link.send(bytes)) {
                    Some(Ok(())) => {
                        session.life.sent(bytes.len(), now);
                        self.listener.metrics.datagrams_in.one();
                        self.listener.metrics.bytes_in.add(bytes.len() as u64);
                        if session.life.is_full() {
                            session.claim = None;
                            sessions.let_flow_go(key);
                        }
                        return Ok(());
                    }
                    Some(Err(error)) => match lost(&error, Dropped::EndpointFull) {
                        Some(why) => return Err(Lost { why, is_end: false }),
                        None => {
                            session.lose_endpoint(kind_of(&error), now);
                            session.open.turn(|turn| session.life.datagram(turn))
                        }
                    },
                    None => return Err(Lost { why: Dropped::NoEndpoint, is_end: true }),
                },
                Verdict::End(why) => return Err(Lost { why, is_end: true }),
            };
        }
        Err(Lost { why: Dropped::NoEndpoint, is_end: false })
    }

    fn open_link(self: &Rc<Self>, key: Key, session: &mut Session, mut link: Link) {
        let reading = read_answers(Rc::clone(self), key, link.socket());
        link.read_by(tokio::task::spawn_local(reading).abort_handle());
        session.link = Some(link);
        session.life.connected();
    }

    /// Passes an answer on to the client. Whether the session goes on.
    fn answer(&self, key: Key, bytes: &[u8]) -> bool {
        let now = self.thread.now();
        let is_last = {
            let sessions = &mut *self.sessions.borrow_mut();
            sessions.touch(key, now);
            let Some(session) = sessions.get_mut(key) else { return false };
            let sent = session.port.answer(&session.flow, bytes);
            match &sent {
                Ok(()) => {
                    self.listener.metrics.datagrams_out.one();
                    self.listener.metrics.bytes_out.add(bytes.len() as u64);
                }
                Err(error) => self.dropped(lost(error, Dropped::ClientFull).unwrap_or(Dropped::Unsendable)),
            }
            let answered = session.life.answered(bytes.len(), sent.is_ok(), now);
            if let (Some(took), Some(link)) = (answered.took, &session.link) {
                link.load.0.first_byte.observe(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
            }
            answered.is_last
        };
        if is_last {
            self.end(key, None);
        }
        !is_last
    }

    /// Word came that nobody listens at the session's endpoint.
    fn refused(&self, key: Key, error: &io::Error) {
        if let Some(session) = self.sessions.borrow_mut().get_mut(key) {
            session.lose_endpoint(kind_of(error), self.thread.now());
        }
    }

    /// Ends sessions that have been quiet for their idle time.
    pub(super) fn sweep(&self, now: Moment) {
        let idle = self.listener.look(|listener| listener.layer4.as_ref().map(|layer4| layer4.idle)).flatten();
        let next = |idle: Duration| self.sessions.borrow().next_idle(idle, now);
        while let Some(key) = next(idle.unwrap_or_default()) {
            if let Some(session) = self.sessions.borrow_mut().get_mut(key) {
                session.life.expire(now);
            }
            self.end(key, None);
        }
    }

    /// Ends the sessions of ports for which that holds.
    pub(super) fn end_all_of(&self, holds: impl Fn(u32) -> bool, says: &str) {
        let keys = self.sessions.borrow().which(|session| holds(session.port.id));
        for key in keys {
            self.end(key, Some(Failure::new(Kind::ShuttingDown, Stage::Exchange, says)));
        }
    }

    fn end(&self, key: Key, why: Option<Failure>) {
        let ended = self.sessions.borrow_mut().end(key);
        if let Some(mut session) = ended {
            if let Some(why) = why {
                session.life.end(why);
            }
            report::session(&session.life, &self.listener, &self.thread);
        }
    }

    pub(super) fn dropped(&self, why: Dropped) {
        self.listener.metrics.dropped(why);
    }
}

impl Session {
    fn lose_endpoint(&mut self, kind: Kind, now: Moment) {
        if let Some(link) = self.link.take() {
            unreachable(&link.load, kind);
        }
        self.life.refused(kind, now);
    }
}

/// A datagram that could not be passed on, and whether its session ends with it.
struct Lost {
    why: Dropped,
    is_end: bool,
}

/// Why a datagram is lost that could not be sent; none where it is the other side that is not there.
fn lost(error: &io::Error, full: Dropped) -> Option<Dropped> {
    match Errno::from_io_error(error) {
        Some(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => Some(full),
        Some(Errno::CONNREFUSED | Errno::HOSTUNREACH | Errno::NETUNREACH) => None,
        Some(_) | None => Some(Dropped::Unsendable),
    }
}

/// Passes answers on to the client until the session ends or its endpoint is not there.
async fn read_answers(hub: Rc<Hub>, key: Key, socket: Rc<AsyncFd<OwnedFd>>) {
    while let Ok(mut ready) = socket.ready(DATAGRAMS).await {
        hub.thread.look_at_clock();
        {
            let mut batch = hub.thread.udp.batch();
            match ready.try_io(|fd| batch.receive(fd.as_fd())) {
                Ok(Ok(came)) => {
                    if !(0..came).filter_map(|at| batch.get(at)).all(|datagram| hub.answer(key, datagram.bytes)) {
                        return;
                    }
                    if came < MOST {
                        ready.clear_ready();
                    }
                }
                Ok(Err(error)) => return hub.refused(key, &error),
                Err(_nothing_came) => continue,
            }
        }
        tokio::task::yield_now().await;
    }
}
