//! UDP: datagrams of clients carried to endpoints, and their answers back. Does what the core's `layer4` says.
//!
//! A session is a client's address and the one that it writes to, with a socket of its own that is connected to the
//! endpoint. Nothing waits in us: what the kernel does not take at once is dropped and counted.
//!
//! May use: tokio, rustix, socket2, core, exchange, pool, metrics, threads, sys. Must not know: control, Python.

pub mod owners; // which thread has the session of a flow
mod port; // a bound socket: what answers go out through
mod link; // a session's socket, connected to its endpoint
mod hub; // the sessions of a listener on one thread

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, HashSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use tidegate_core::lane::Serving;
use tidegate_core::layer4::{Dropped, Flow};
use tidegate_core::moment::Moment;
use tokio::io::unix::AsyncFd;
use tokio::task::AbortHandle;

use crate::sys::datagrams::{Batch, MOST};
use crate::threads::listener::ListenerState;
use crate::threads::thread::{Socket, Thread};
use hub::Hub;
use owners::{Handover, Owners};
use port::Port;

/// What is read from, and whose it is.
type Reading = (Rc<Port>, Rc<Hub>);

/// A thread's side of all UDP listeners.
#[derive(Default)]
pub struct Udp {
    hubs: RefCell<BTreeMap<String, Rc<Hub>>>,
    /// What it reads from, or would if no other worker did, by the supervisor's id.
    ports: RefCell<BTreeMap<u32, Reading>>,
    /// Room for what is received; all take turns with it, since nothing stays in it.
    batch: RefCell<Option<Batch>>,
}

impl Udp {
    fn batch(&self) -> RefMut<'_, Batch> {
        RefMut::map(self.batch.borrow_mut(), |batch| batch.get_or_insert_default())
    }

    /// Ends sessions that have been quiet for too long, and all of them once it is time to leave.
    pub fn sweep(&self, now: Moment, leave_at: Moment) {
        for hub in self.hubs.borrow().values() {
            hub.sweep(now);
            if leave_at <= now {
                hub.end_all_of(|_| true, "the proxy is shutting down");
            }
        }
    }

    /// Sessions of sockets that the snapshot does not name end, since nothing more can come to them.
    pub fn follow(&self, serving: &Serving) {
        if self.hubs.borrow().is_empty() {
            return;
        }
        let listeners = &serving.compiled.document.listeners;
        let named: HashSet<u32> =
            listeners.iter().flat_map(|listener| &listener.binds).flat_map(|bind| bind.sockets.clone()).collect();
        for hub in self.hubs.borrow().values() {
            hub.end_all_of(|id| !named.contains(&id), "the address was taken out of the configuration");
        }
        self.ports.borrow_mut().retain(|id, _| named.contains(id));
        self.hubs.borrow_mut().retain(|name, _| listeners.iter().any(|listener| listener.name == *name));
    }

    /// The ids of the sockets that it reads from.
    pub fn ports(&self) -> Vec<u32> {
        self.ports.borrow().keys().copied().collect()
    }

    /// A datagram came that another thread has read or another worker, or that an older worker gives back to us.
    pub fn take_over(&self, datagram: &Handover, owners: &Owners) {
        let Handover { listener, flow, bytes, read_at, .. } = datagram;
        let hubs: Vec<Rc<Hub>> = self.hubs.borrow().values().cloned().collect();
        if hubs.iter().any(|hub| hub.take_over(flow, bytes)) {
            return;
        }
        if let Some(hub) = listener.as_ref().and_then(|name| self.hubs.borrow().get(name).cloned()) {
            hub.dropped(Dropped::Handover);
        } else if !owners.give_back(*flow, bytes, *read_at) {
            let read_from = self.ports.borrow().get(&read_at.port).map(|(port, hub)| (Rc::clone(port), Rc::clone(hub)));
            if let Some((port, hub)) = read_from {
                hub.take(*flow, bytes, &port);
            }
        }
    }
}

/// Begins to read from a socket of a listener, until it is told to stop.
pub fn listen(thread: &Rc<Thread>, listener: &Rc<ListenerState>, socket: &Socket) -> io::Result<AbortHandle> {
    let port = Rc::new(Port::new(socket.id, &socket.fd)?);
    let reading = port.reading()?;
    let hub = {
        let mut hubs = thread.udp.hubs.borrow_mut();
        let made = || Hub::new(Rc::clone(thread), Rc::clone(listener));
        Rc::clone(hubs.entry(listener.name.clone()).or_insert_with(made))
    };
    thread.udp.ports.borrow_mut().insert(port.id, (Rc::clone(&port), Rc::clone(&hub)));
    Ok(tokio::task::spawn_local(read(hub, port, reading)).abort_handle())
}

/// Reads until the task is aborted: what waits, then others have their turn.
async fn read(hub: Rc<Hub>, port: Rc<Port>, socket: AsyncFd<OwnedFd>) {
    // Readiness fails only when the event loop ends.
    while let Ok(mut ready) = socket.readable().await {
        let thread = hub.thread();
        thread.look_at_clock();
        {
            let mut batch = thread.udp.batch();
            // A socket that is not connected is told of no error that concerns it.
            let came = ready.try_io(|fd| batch.receive(fd.as_fd())).map_or(0, Result::unwrap_or_default);
            for datagram in (0..came).filter_map(|at| batch.get(at)) {
                if let Some(client) = datagram.from {
                    let flow = Flow { client, local: port.local(datagram.to) };
                    hub.take(flow, datagram.bytes, &port);
                }
            }
            if came < MOST {
                ready.clear_ready();
            }
        }
        tokio::task::yield_now().await;
    }
}
