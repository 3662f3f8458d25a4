//! What the targets share: a request as bytes, read as the road reads it.

use tidegate_core::dice::Dice;
use tidegate_core::filter::forwarded::{Peer, Told, Trust, listen_to};
use tidegate_core::framing::{HeadLimits, HeadReader, Progress, RequestFacts, judge_request};
use tidegate_core::geo::NOWHERE;
use tidegate_core::head::RequestHead;
use tidegate_core::route::DotSegments;
use tidegate_core::rule::{Answer, Set, Sets, Subject};
use tidegate_core::snapshot::document::{Forwarded, ForwardedField};

const LIMITS: HeadLimits = HeadLimits { bytes: 65_536, fields: 128, line: 16_384 };

/// One request, whole, with all that a subject borrows.
pub struct Asked<'a> {
    /// The bytes of its head.
    pub bytes: &'a [u8],
    /// Where in them what is.
    pub head: RequestHead,
    /// What was judged of it.
    pub facts: RequestFacts,
    told: Told,
    peer: Peer,
    trust: Trust,
}

/// Splits at the first line end: what is written, and the request.
pub fn split(input: &[u8]) -> (&[u8], &[u8]) {
    let at = memchr::memchr(b'\n', input).unwrap_or(input.len());
    (input.get(..at).unwrap_or_default(), input.get(at + 1..).unwrap_or_default())
}

/// Reads a request from 10.1.2.3, whose word is believed; none where it would be refused.
pub fn ask(bytes: &[u8]) -> Option<Asked<'_>> {
    let mut head = RequestHead::default();
    if !matches!(HeadReader::default().read_request(bytes, &LIMITS, &mut head), Ok(Progress::Complete)) {
        return None;
    }
    let facts = judge_request(bytes, &head).ok()?;
    let forwarded = Forwarded { from: vec!["10.0.0.0/8".into()], field: ForwardedField::XForwardedFor };
    let trust = Trust::build(&forwarded).expect("a network");
    let peer = Peer::new("10.1.2.3:5000".parse().ok(), "192.0.2.1:80".parse().ok());
    let told = listen_to(&trust, &peer, bytes, &head, &mut Dice::seeded(1));
    Some(Asked { bytes, head, facts, told, peer, trust })
}

impl Asked<'_> {
    /// The request as expressions see it.
    pub fn subject<'a>(&'a self, answer: Option<Answer>) -> Subject<'a> {
        Subject {
            listener: "web",
            trust: &self.trust,
            dots: DotSegments::Resolve,
            geo: &NOWHERE,
            peer: &self.peer,
            told: &self.told,
            bytes: self.bytes,
            head: &self.head,
            facts: &self.facts,
            path: None,
            answer,
        }
    }
}

/// A set of networks, `office`, and one of texts, `words`.
pub fn sets() -> Sets {
    let mut sets = Sets::default();
    for (name, lines) in [("office", "10.0.0.0/8\n::1"), ("words", "a\nb")] {
        sets.insert(name.into(), Set::compile(lines).expect("entries").into());
    }
    sets
}
