//! An exchange that an endpoint is loaded with, from the choice on until it is dropped: whatever becomes of an exchange,
//! exactly what it took is given back.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::{EndpointId, EndpointLoad, Ranking};
use crate::moment::Moment;

/// An endpoint, as one thread counts exchanges with it.
#[derive(Debug)]
pub struct Holder {
    /// Which one.
    pub endpoint: EndpointId,
    /// Follows the endpoint through snapshots.
    pub id: u32,
    /// Its load.
    pub load: Arc<EndpointLoad>,
    /// Where its upstream keeps its endpoints in order.
    pub ranking: Arc<Ranking>,
}

impl Holder {
    /// An exchange that a balancer has counted already.
    pub fn counted(self: &Rc<Self>) -> Held {
        Held(Rc::clone(self))
    }

    /// An exchange that goes there without having been balanced.
    pub fn count(self: &Rc<Self>) -> Held {
        self.ranking.recount(self.endpoint, self.id, || self.load.begin());
        self.counted()
    }
}

/// An exchange under way with an endpoint.
pub struct Held(Rc<Holder>);

impl Held {
    /// The id of the endpoint.
    pub fn id(&self) -> u32 {
        self.0.id
    }

    /// It has answered after `took`.
    pub fn answered(&self, took: Duration, now: Moment) {
        let Holder { endpoint, id, load, ranking } = &*self.0;
        ranking.observe(*endpoint, *id, load.latency().is_none(), || load.observe(took, now));
    }

    /// It has not answered within `waited`, and will not.
    pub fn failed(&self, waited: Duration, now: Moment) {
        let Holder { endpoint, id, load, ranking } = &*self.0;
        ranking.observe(*endpoint, *id, load.latency().is_none(), || load.suffer(waited, now));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Holder { endpoint, id, load, ranking } = &*self.0;
        ranking.recount(*endpoint, *id, || load.end());
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({})", self.0.id)
    }
}
