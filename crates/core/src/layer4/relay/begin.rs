//! Before there is an endpoint to ask: who the client is, and where that leads it, by what it says first if need be.

use std::rc::Rc;
use std::sync::Arc;

use super::{Act, Opening, Phase, Relay};
use crate::failure::{Failure, Kind, Stage};
use crate::filter::forwarded::Peer;
use crate::lane::exchange::Tried;
use crate::lane::{Close, Turn};
use crate::layer4::hello::{self, Hello, Seen};
use crate::layer4::lead;
use crate::moment::Moment;
use crate::proxy_protocol::{self, Header};
use crate::snapshot::compiled::{Layer4, Listener};

impl Relay {
    pub(super) fn read_proxy_header(&mut self, turn: &mut Turn<'_>) -> Option<Act> {
        match proxy_protocol::read(self.input.filled()) {
            Ok(Header::Partial) if self.ended[0] => self.refuse("the connection ended inside the header"),
            Ok(Header::Partial) => return Some(Act::Read(self.opened_by(turn))),
            Ok(Header::Whole { len, told }) => {
                self.input.consume(len);
                if let Some((client, local)) = told {
                    self.peer = Peer::new(Some(client), Some(local));
                }
                self.phase = Phase::Met;
                return Some(Act::Meet);
            }
            Err(says) => self.refuse(says),
        }
        None
    }

    /// When all that decides must have come.
    fn opened_by(&self, turn: &Turn<'_>) -> Moment {
        let listener = listener_of(turn);
        listener.map_or(turn.now, |listener| self.began.after_unless_zero(listener.header))
    }

    pub(super) fn refuse(&mut self, says: &'static str) {
        self.fail(Failure::new(Kind::InvalidProxyProtocol, Stage::ProxyProtocol, says), Close::Now);
    }

    pub(super) fn fail(&mut self, failure: Failure, how: Close) {
        self.known.failure = Some(failure);
        self.phase = Phase::Closing(how);
    }

    /// It is known who the client is: an upstream is found for it, by what it says first if need be.
    pub(super) fn meet(&mut self, turn: &mut Turn<'_>) {
        if turn.crowded {
            let says = Kind::TooManyConnections.says();
            self.fail(Failure::new(Kind::TooManyConnections, Stage::Accept, says), Close::Reset);
        } else if listener_of(turn).is_some_and(|listener| listener.layer4.as_ref().is_some_and(Layer4::reads_hello)) {
            self.phase = Phase::Hello;
        } else {
            self.begin(None, turn);
        }
    }

    pub(super) fn read_hello(&mut self, turn: &mut Turn<'_>) -> Option<Act> {
        match hello::read(self.input.filled()) {
            Ok(Seen::Partial) if !self.ended[0] => return Some(Act::Read(self.opened_by(turn))),
            Ok(Seen::Partial | Seen::Other) => self.begin(None, turn),
            Ok(Seen::Hello(hello)) => {
                self.begin(Some(&hello), turn);
                self.known.server_name = hello.name;
            }
            Err(says) => self.fail(Failure::new(Kind::InvalidHello, Stage::Route, says), Close::Reset),
        }
        None
    }

    fn begin(&mut self, hello: Option<&Hello>, turn: &mut Turn<'_>) {
        let listener = listener_of(turn).map(Arc::clone);
        let layer4 = listener.as_deref().and_then(|listener| Some((listener, listener.layer4.as_ref()?)));
        let (route, leads_to) = match layer4 {
            Some((listener, layer4)) => {
                let (route, target) = layer4.route(hello);
                (route.map(Arc::clone), target.and_then(|target| lead(&self.peer, listener, target, turn)))
            }
            None => (None, None),
        };
        self.known.route = route;
        let Some((leads_to, key)) = leads_to else {
            let says = match hello {
                None => "no ClientHello came, and there is no `tcp.to`".to_owned(),
                Some(hello) => {
                    format!("no route is for the name `{}`, and there is no `tcp.to`", hello.name.escape_ascii())
                }
            };
            self.fail(Failure::new(Kind::NoRoute, Stage::Route, says), Close::Reset);
            return;
        };
        self.opening = Some(Box::new(Opening {
            serving: Rc::clone(turn.serving),
            leads_to,
            key,
            tried: Tried::default(),
            chosen: None,
        }));
        self.phase = Phase::Wanted;
    }
}

fn listener_of<'a>(turn: &Turn<'a>) -> Option<&'a Arc<Listener>> {
    turn.serving.compiled.listeners.get(turn.listener)
}
