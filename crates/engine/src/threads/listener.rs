//! A listener as one thread serves it: what its connections may do, which a reload may change under them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use tidegate_core::lane::Serving;
use tidegate_core::moment::Moment;
use tidegate_core::snapshot::compiled::Listener;
use tidegate_core::snapshot::document::ListenerKind;

use crate::accept::crowd::Crowd;
use crate::metrics::counted::ListenerMetrics;

/// A listener as one thread serves it.
pub struct ListenerState {
    /// Its name.
    pub name: String,
    pub(super) serving: RefCell<Rc<Serving>>,
    /// As an index into the snapshot.
    pub(super) index: Cell<usize>,
    /// When its connections without work go.
    pub(super) leave_at: Cell<Moment>,
    /// Who is connected to it.
    pub crowd: Arc<Crowd>,
    /// Counters.
    pub metrics: Arc<ListenerMetrics>,
}

impl ListenerState {
    /// The listener at `index` of the snapshot that is served.
    pub fn new(
        name: String,
        serving: Rc<Serving>,
        index: usize,
        crowd: Arc<Crowd>,
        metrics: Arc<ListenerMetrics>,
    ) -> Self {
        let (serving, index) = (RefCell::new(serving), Cell::new(index));
        Self { name, serving, index, leave_at: Cell::new(Moment::NEVER), crowd, metrics }
    }

    /// Whether it is the admin's: what is asked there is no exchange that an access log tells of.
    pub fn is_admin(&self) -> bool {
        self.look(|listener| listener.kind == ListenerKind::Admin).unwrap_or(false)
    }

    /// What is served there now.
    pub fn serving(&self) -> Rc<Serving> {
        Rc::clone(&self.serving.borrow())
    }

    /// Whether its connections begin with a PROXY protocol header.
    pub fn is_proxied(&self) -> bool {
        self.look(|listener| listener.proxy_protocol).unwrap_or(false)
    }

    /// Whether bytes are carried on as they are.
    pub fn is_layer4(&self) -> bool {
        self.look(|listener| listener.layer4.is_some()).unwrap_or(false)
    }

    /// Whether datagrams come to it.
    pub fn is_udp(&self) -> bool {
        self.look(|listener| listener.kind == ListenerKind::Udp).unwrap_or(false)
    }

    /// Looks at what its connections may do now.
    pub fn look<T>(&self, look: impl FnOnce(&Arc<Listener>) -> T) -> Option<T> {
        self.serving.borrow().compiled.listeners.get(self.index.get()).map(look)
    }
}
