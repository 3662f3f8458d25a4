//! An expression as the snapshot has it, and a request: whatever can be decoded is compiled or refused, and nothing that
//! was compiled fails, or writes a line end into a header.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tidegate_core::dice::Dice;
use tidegate_core::filter::forwarded::{Peer, Trust, listen_to};
use tidegate_core::framing::{HeadLimits, HeadReader, Progress, judge_request};
use tidegate_core::head::RequestHead;
use tidegate_core::route::DotSegments;
use tidegate_core::rule::{Rule, Set, Sets, Stand, Subject, Template};
use tidegate_core::snapshot::document::{self, Forwarded, ForwardedField};

const LIMITS: HeadLimits = HeadLimits { bytes: 65_536, fields: 128, line: 16_384 };
const STANDS: [Stand; 7] =
    [Stand::HeaderValue, Stand::Path, Stand::Query, Stand::Uri, Stand::Text, Stand::Html, Stand::Json];

// The first line is the expression, a rule or a template; what follows is the request.
fuzz_target!(|input: &[u8]| {
    let at = memchr::memchr(b'\n', input).unwrap_or(input.len());
    let (written, request) = (input.get(..at).unwrap_or_default(), input.get(at + 1..).unwrap_or_default());
    let mut head = RequestHead::default();
    if !matches!(HeadReader::default().read_request(request, &LIMITS, &mut head), Ok(Progress::Complete)) {
        return;
    }
    let Ok(facts) = judge_request(request, &head) else { return };
    let forwarded = Forwarded { from: vec!["10.0.0.0/8".into()], field: ForwardedField::XForwardedFor };
    let trust = Trust::build(&forwarded).expect("a network");
    let peer = Peer::new("10.1.2.3:5000".parse().ok(), "192.0.2.1:80".parse().ok());
    let told = listen_to(&trust, &peer, request, &head, &mut Dice::seeded(1));
    let subject = Subject {
        listener: "web",
        trust: &trust,
        dots: DotSegments::Resolve,
        peer: &peer,
        told: &told,
        bytes: request,
        head: &head,
        facts: &facts,
        path: None,
        answer: None,
    };
    if let Ok(rule) = serde_json::from_slice::<document::Rule>(written) {
        let mut sets = Sets::default();
        sets.insert("office".into(), Arc::new(Set::compile("10.0.0.0/8\n::1").expect("networks")));
        sets.insert("words".into(), Arc::new(Set::compile("a\nb").expect("texts")));
        if let Ok(rule) = Rule::compile(&rule, &sets) {
            assert_eq!(rule.holds(&subject), rule.holds(&subject));
        }
    }
    if let Ok(template) = serde_json::from_slice::<document::Template>(written) {
        for stand in STANDS {
            let Ok(template) = Template::compile(&template, stand) else { continue };
            let mut out = Vec::new();
            template.write(&subject, &mut out);
            let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
            assert!(matches!(stand, Stand::Text | Stand::Html | Stand::Json) || !out.iter().any(is_line_end));
        }
    }
});
