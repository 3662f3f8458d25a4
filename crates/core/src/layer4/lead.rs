//! The upstream that a target leads a client to.

use crate::balance::Lead;
use crate::filter::forwarded::{Peer, Told};
use crate::framing::RequestFacts;
use crate::head::RequestHead;
use crate::lane::Turn;
use crate::rule::Subject;
use crate::snapshot::compiled::{Listener, Target};

/// The upstream, and the number of the key by which it tells clients apart, where it does.
pub(super) fn lead(peer: &Peer, listener: &Listener, to: &Target, turn: &mut Turn<'_>) -> Option<(Lead, Option<u64>)> {
    let told = Told::by(peer);
    let (head, facts) = (RequestHead::default(), RequestFacts::default());
    let subject = Subject::of(listener, peer, &told, &[], &head, &facts);
    let leads_to = to.lead(Some(&subject), turn.dice)?;
    Some((leads_to, turn.serving.key(leads_to.index(), || Some(subject))))
}
