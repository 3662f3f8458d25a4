//! A request for tests, read as the road reads it.

use super::Subject;
use crate::dice::Dice;
use crate::filter::forwarded::{Peer, Told, Trust, listen_to};
use crate::framing::{HeadLimits, HeadReader, Progress, RequestFacts, judge_request};
use crate::geo::NOWHERE;
use crate::head::RequestHead;
use crate::route::DotSegments;
use crate::snapshot::document::{Forwarded, ForwardedField};

/// One request, whole, with all that a subject borrows.
pub(crate) struct Asked {
    bytes: Vec<u8>,
    head: RequestHead,
    facts: RequestFacts,
    pub(crate) told: Told,
    peer: Peer,
    trust: Trust,
}

pub(crate) fn ask(head: &str, from: &str, believed: &[&str]) -> Asked {
    let bytes = head.replace('\n', "\r\n").into_bytes();
    let mut head = RequestHead::default();
    let limits = HeadLimits { bytes: 65_536, fields: 128, line: 16_384 };
    assert_eq!(HeadReader::default().read_request(&bytes, &limits, &mut head).unwrap(), Progress::Complete);
    let facts = judge_request(&bytes, &head).unwrap();
    let from_ = believed.iter().map(|text| (*text).to_owned()).collect();
    let trust = Trust::build(&Forwarded { from: from_, field: ForwardedField::XForwardedFor }).unwrap();
    let peer = Peer::new(from.parse().ok(), "192.0.2.1:8080".parse().ok());
    let told = listen_to(&trust, &peer, &bytes, &head, &mut Dice::seeded(1));
    Asked { bytes, head, facts, told, peer, trust }
}

impl Asked {
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject {
            listener: "web",
            trust: &self.trust,
            dots: DotSegments::Refuse,
            geo: &NOWHERE,
            peer: &self.peer,
            told: &self.told,
            bytes: &self.bytes,
            head: &self.head,
            facts: &self.facts,
            path: None,
            answer: None,
        }
    }
}
