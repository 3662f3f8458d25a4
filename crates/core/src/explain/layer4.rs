//! What becomes of a connection or a datagram that is carried on as it is: a relay or a session plays it.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use serde::Serialize;

use super::{BEGAN, Balance, Endpoint, balance};
use crate::dice::Dice;
use crate::filter::forwarded::Peer;
use crate::health::client_hello;
use crate::lane::buffer::Shelf;
use crate::lane::{Serving, Turn};
use crate::layer4::hello::{self, Hello, Seen};
use crate::layer4::{Act, Event, Known, Relay, Session};
use crate::proxy_protocol;
use crate::snapshot::compiled::Compiled;
use crate::snapshot::document::{Layer4Route, TlsProbe};

/// Who begins, and how.
#[derive(Debug, Default)]
pub struct Begins {
    /// The client; none: of a Unix socket.
    pub client: Option<SocketAddr>,
    /// The address that it came to.
    pub local: Option<SocketAddr>,
    /// What its ClientHello asks for; none: it begins without TLS.
    pub hello: Option<TlsProbe>,
}

/// What becomes of it.
#[derive(Serialize, Debug, Default)]
pub struct Carried {
    /// The route that it takes, as an index into the listener's; none: what is for all else.
    pub route: Option<usize>,
    /// The upstream, and which of its endpoints could take it; none where it leads to none.
    pub balance: Option<Balance>,
    /// The endpoint; none where none can take it.
    pub endpoint: Option<Endpoint>,
    /// The PROXY protocol header that the endpoint is sent, with what is no letter escaped; empty where it wants none.
    pub announced: String,
    /// Kind, stage and reason of why it is reset, or dropped.
    pub failure: Option<(String, String, String)>,
    /// The routes that it does not take.
    pub others: Vec<Lost>,
}

/// A route that was not taken.
#[derive(Serialize, Debug)]
pub struct Lost {
    /// As an index into the listener's.
    pub route: usize,
    /// What became of it, in one word.
    pub outcome: &'static str,
    /// Why.
    pub because: String,
}

/// Plays a connection to the listener at `listener`, or the first datagram of a session, as that listener has it.
pub fn explain_layer4(compiled: Compiled, listener: usize, begins: &Begins) -> Carried {
    let (mut dice, mut shelf) = (Dice::seeded(1), Shelf::new());
    let serving = Rc::new(Serving::recording(Arc::new(compiled), &mut dice));
    let peer = Peer::new(begins.client, begins.local);
    let mut turn = super::turn(BEGAN, &mut dice, &mut shelf, &serving, listener);
    let layer4 = serving.compiled.document.listeners.get(listener).and_then(|one| one.layer4.as_ref());
    let is_udp = layer4.is_some_and(|layer4| layer4.udp.is_some());
    if is_udp {
        let mut session = Session::new(peer, &turn);
        session.datagram(&mut turn);
        return tell(session.known(), &serving, begins);
    }
    let mut relay = Relay::new(peer, false, BEGAN);
    let sent = begins.hello.as_ref().map_or_else(|| b"?".to_vec(), client_hello);
    play(&mut relay, &sent, &mut turn);
    let mut told = tell(relay.known(), &serving, begins);
    if let (true, Some(compiled)) = (begins.hello.is_some(), serving.compiled.listeners.get(listener))
        && let (Some(compiled), Some(written), Ok(Seen::Hello(hello))) = (&compiled.layer4, layer4, hello::read(&sent))
    {
        let named: Vec<(usize, bool)> = compiled.named(&hello).collect();
        told.route = named.iter().find(|(_, suits)| *suits).map(|(route, _)| *route);
        told.others = lost(&written.routes, told.route, &named, &hello);
    } else if let Some(written) = layer4 {
        let of = |route| Lost { route, outcome: "no_tls", because: "the client begins without TLS".to_owned() };
        told.others = (0..written.routes.len()).map(of).collect();
    }
    told
}

/// Until it is known where the connection leads.
fn play(relay: &mut Relay, mut rest: &[u8], turn: &mut Turn<'_>) {
    let mut event = Event::Accepted;
    loop {
        event = match relay.next(event, turn) {
            Act::Read(_) => {
                let room = relay.room(turn.shelf);
                let n = room.len().min(rest.len());
                let (now, later) = rest.split_at_checked(n).unwrap_or((rest, &[]));
                room.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
                rest = later;
                Event::Read(n)
            }
            Act::Meet => Event::Done,
            Act::Lease(_) | Act::Carry | Act::Shut(_) | Act::Close(_) => return,
        };
    }
}

fn tell(known: &Known, serving: &Serving, begins: &Begins) -> Carried {
    let endpoint = known.endpoint.as_ref().filter(|_| known.failure.is_none());
    let mut header = Vec::new();
    if let (Some(upstream), Some(_)) = (&known.upstream, endpoint) {
        proxy_protocol::write(&mut header, upstream.proxy_protocol, begins.client, begins.local);
    }
    let failure = known.failure.as_ref();
    Carried {
        balance: serving.recorded().last().and_then(|recorded| balance(recorded, &serving.compiled)),
        endpoint: endpoint.map(|endpoint| Endpoint { address: endpoint.address.clone() }),
        announced: header.escape_ascii().to_string(),
        failure: failure.map(|why| (why.kind.name().into(), why.stage.name().into(), why.reason.clone())),
        ..Carried::default()
    }
}

fn lost(routes: &[Layer4Route], taken: Option<usize>, named: &[(usize, bool)], hello: &Hello) -> Vec<Lost> {
    let winner = taken.and_then(|taken| routes.get(taken)).map_or("", |route| &route.name);
    let others = routes.iter().enumerate().filter(|(at, _)| Some(*at) != taken);
    let of = |(at, route): (usize, &Layer4Route)| {
        let mut matches = named.iter().filter(|(named, _)| *named == at).peekable();
        let (outcome, because) = if matches.peek().is_none() {
            let asked = if hello.name.is_empty() { "none".to_owned() } else { hello.name.escape_ascii().to_string() };
            ("other_name", format!("it is for {}, and the client asks for {asked}", route.sni.join(", ")))
        } else if matches.any(|(_, suits)| *suits) {
            ("less_specific", format!("it matches too, and {winner} is more specific"))
        } else {
            let offered: Vec<_> = hello.protocols.iter().map(|one| one.escape_ascii().to_string()).collect();
            let offered = if offered.is_empty() { "none".to_owned() } else { offered.join(", ") };
            ("other_protocol", format!("it asks for {}, and the client offers {offered}", route.alpn.join(", ")))
        };
        Lost { route: at, outcome, because }
    };
    others.map(of).collect()
}
