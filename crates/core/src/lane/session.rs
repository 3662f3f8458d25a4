//! The session that a request belongs to, where its upstream keeps sessions: which endpoint it is with, and what tells the
//! client of that.

use super::exchange::Exchange;
use crate::balance::EndpointId;
use crate::filter::forwarded::Peer;

impl Exchange {
    /// Whether the request's session is with the endpoint that was chosen.
    pub(super) fn is_in_session(&self, peer: &Peer) -> bool {
        let named = || {
            let persist = self.upstream()?.persist.as_deref()?;
            persist.find(&self.subject(peer)?)
        };
        named().is_some_and(|named| self.chosen.is_some_and(|chosen| EndpointId(chosen.endpoint) == named))
    }

    /// Counts what became of the session, and writes what tells the client of the endpoint that its session is with from now on, where it must be told. It stands
    /// behind the edits of filters, which are for what endpoints say.
    pub(super) fn tell_session(&self, peer: &Peer, out: &mut Vec<u8>) {
        let Some(upstream) = self.upstream() else { return };
        if let (Some(persist), Some(chosen)) = (&upstream.persist, self.chosen)
            && let Some(subject) = self.subject(peer)
        {
            let served = EndpointId(chosen.endpoint);
            upstream.sessions.count(persist.kept(served, &subject));
            persist.tell(served, &subject, out);
        }
    }
}
