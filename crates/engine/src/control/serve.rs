//! Accepts supervisors, one thread for each, and does what the one whose turn it is asks.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;
use std::time::Duration;

use rustix::net::sockopt::socket_peercred;
use serde_json::{Value, json};

use super::desk::{Desk, Sitting, Welcome, refusal};
use super::frame::{self, Broken};
use super::lockdown::lock_down;
use super::machine::Machine;
use super::request::{self, Request};
use super::watchdog;

/// How long a peer may take to say hello, and to take an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most peers at once; the next ones are closed.
const MOST_PEERS: usize = 16;

/// How often the supervisor is told that the worker lives.
const BEAT: Duration = Duration::from_secs(1);

/// Serves supervisors on `listening` until a drain has ended; then the process may end with 0. Runs on the thread named
/// `control`, and starts the watchdog.
pub fn serve(listening: OwnedFd, machine: &Arc<dyn Machine>) -> io::Result<()> {
    lock_down()?;
    let listening = UnixListener::from(listening);
    listening.set_nonblocking(false)?;
    let desk = Arc::new(Desk::new(Arc::clone(machine)));
    start("watchdog", {
        let (machine, desk) = (Arc::clone(machine), Arc::clone(&desk));
        move || watchdog::watch(&machine, |stuck| desk.last_words(stuck))
    })?;
    start("beat", {
        let desk = Arc::clone(&desk);
        move || beat(&desk)
    })?;
    start("accept-control", {
        let desk = Arc::clone(&desk);
        move || accept(&listening, &desk)
    })?;
    machine.wait_drained();
    desk.event(&json!({"kind": "drained"}));
    Ok(())
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

fn beat(desk: &Desk) {
    let mut tick = 0_u64;
    loop {
        std::thread::sleep(BEAT);
        tick = tick.wrapping_add(1);
        desk.event(&json!({"kind": "beat", "tick": tick}));
    }
}

fn accept(listening: &UnixListener, desk: &Arc<Desk>) {
    let peers = Arc::new(AtomicUsize::new(0));
    loop {
        let stream = match listening.accept() {
            Ok((stream, _)) => stream,
            Err(error) => {
                desk.warn(&format!("a supervisor could not be let in: {error}"));
                std::thread::sleep(BEAT); // descriptors may have run out
                continue;
            }
        };
        if peers.fetch_add(1, Ordering::Relaxed) >= MOST_PEERS || !is_trusted(&stream) {
            peers.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let (here, desk) = (Arc::clone(&peers), Arc::clone(desk));
        let started = start("supervisor", move || {
            talk(&stream, &desk);
            here.fetch_sub(1, Ordering::Relaxed);
        });
        if started.is_err() {
            peers.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Whether the peer is our own user or root, by the kernel's word.
fn is_trusted(stream: &UnixStream) -> bool {
    socket_peercred(stream).is_ok_and(|peer| peer.uid.is_root() || peer.uid == rustix::process::geteuid())
}

/// The whole of one connection. Whatever the peer does wrong ends here and disturbs nothing.
pub(super) fn talk(stream: &UnixStream, desk: &Desk) {
    let timed = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_write_timeout(Some(PATIENCE)));
    if timed.is_err() {
        return;
    }
    let Some(sitting) = hello(stream, desk) else { return };
    if stream.set_read_timeout(None).is_ok() {
        requests(stream, desk, &sitting);
    }
    desk.leave(&sitting);
}

/// The first frame must be a hello. `None`: the peer was told why, and goes.
fn hello(stream: &UnixStream, desk: &Desk) -> Option<Arc<Sitting>> {
    let refuse = |id, says: &str| {
        drop(frame::write(stream, refusal(id, says).to_string().as_bytes(), &[]));
        None
    };
    let frame = match frame::read(stream, frame::MOST_FROM_SUPERVISOR) {
        Ok(frame) => frame,
        Err(Broken::Wrong(says)) => return refuse(None, &says),
        Err(Broken::Closed | Broken::Cut) => return None,
    };
    let (id, protocol, generation) = match request::decode(&frame.body) {
        Ok((id, Request::Hello { protocol, generation })) => (id, protocol, generation),
        Ok((id, _)) => return refuse(Some(id), "hello comes first"),
        Err(error) => return refuse(error.id, &error.says),
    };
    match desk.welcome(stream, protocol, generation) {
        Ok(Welcome::Seated(sitting, Value::Object(says))) => match sitting.answer(id, says) {
            Ok(()) => Some(sitting),
            Err(_) => {
                desk.leave(&sitting);
                None
            }
        },
        Ok(Welcome::Seated(..)) => None,
        Ok(Welcome::Refused(says)) => refuse(Some(id), &says),
        Err(error) => refuse(Some(id), &error.to_string()),
    }
}

fn requests(stream: &UnixStream, desk: &Desk, sitting: &Sitting) {
    loop {
        let frame = match frame::read(stream, frame::MOST_FROM_SUPERVISOR) {
            Ok(frame) => frame,
            Err(Broken::Wrong(says)) => return drop(sitting.refuse(None, &says)), // where the next frame begins is lost
            Err(Broken::Closed | Broken::Cut) => return,
        };
        let went = match request::decode(&frame.body) {
            Ok((id, request)) => desk.obey(sitting, id, request, frame.descriptors),
            Err(error) if error.hopeless => return drop(sitting.refuse(error.id, &error.says)),
            Err(error) => sitting.refuse(error.id, &error.says),
        };
        if went.is_err() {
            return;
        }
    }
}
