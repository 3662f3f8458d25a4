//! `Accept` of a request for the metrics: any bytes are read, fields may be joined and split, and who does not name
//! OpenMetrics does not get it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_core::head::{Field, Known, RequestHead, Span};
use tidegate_core::lane::Exposition;

// Each line is the value of one field.
fuzz_target!(|input: &[u8]| {
    let fields: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    let found = wanted(&fields);
    let text = input.to_ascii_lowercase();
    let names_it = text.windows(OPEN.len()).any(|part| part == OPEN);
    assert!(found == Exposition::Text || names_it);
    let joined = fields.join(&b","[..]);
    assert_eq!(wanted(&[&joined]), found);
    assert_eq!(wanted(&joined.split(|byte| *byte == b',').collect::<Vec<_>>()), found);
    let many = [&fields[..], &[b"application/json", b"*/*;q=0"]].concat();
    assert_eq!(wanted(&many), found);
});

const OPEN: &[u8] = b"application/openmetrics-text";

fn wanted(values: &[&[u8]]) -> Exposition {
    let (mut bytes, mut head) = (b"Accept".to_vec(), RequestHead::default());
    let end = |bytes: &Vec<u8>| u32::try_from(bytes.len()).expect("a fuzzer's input is short");
    let name = Span { start: 0, end: end(&bytes) };
    for value in values {
        let start = end(&bytes);
        bytes.extend_from_slice(value);
        head.fields.push(Field { name, value: Span { start, end: end(&bytes) }, known: Known::of(b"accept") });
    }
    Exposition::wanted(&head, &bytes)
}
