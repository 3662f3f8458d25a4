//! An expression as the snapshot has it, and a request: whatever can be decoded is compiled or refused, and nothing that
//! was compiled fails, or writes a line end into a header.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_core::rule::{Rule, Stand, Template};
use tidegate_core::snapshot::document;
use tidegate_fuzz::{ask, sets, split};

const STANDS: [Stand; 7] =
    [Stand::HeaderValue, Stand::Path, Stand::Query, Stand::Uri, Stand::Text, Stand::Html, Stand::Json];

// The first line is the expression, a rule or a template; what follows is the request.
fuzz_target!(|input: &[u8]| {
    let (written, request) = split(input);
    let Some(asked) = ask(request) else { return };
    let subject = asked.subject(None);
    if let Ok(rule) = serde_json::from_slice::<document::Rule>(written)
        && let Ok(rule) = Rule::compile(&rule, &sets())
    {
        assert_eq!(rule.holds(&subject), rule.holds(&subject));
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
