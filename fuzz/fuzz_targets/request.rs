//! A request's head: no panic, the same result however the bytes are split, and nothing in a field that ends a line.
//! The first byte of the input says in how large steps the bytes come.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_core::failure::Failure;
use tidegate_core::framing::{Dropped, HeadLimits, HeadReader, Progress, RequestFacts, judge_request};
use tidegate_core::head::RequestHead;

const LIMITS: HeadLimits = HeadLimits { bytes: 512, fields: 8, line: 128 };

fn read(bytes: &[u8], step: usize) -> Result<Option<(RequestHead, RequestFacts)>, Failure> {
    let (mut reader, mut head) = (HeadReader::default(), RequestHead::default());
    for start in (0..bytes.len()).step_by(step) {
        let come = &bytes[..(start + step).min(bytes.len())];
        if reader.read_request(come, &LIMITS, &mut head)? == Progress::Complete {
            let facts = judge_request(bytes, &head)?;
            return Ok(Some((head, facts)));
        }
    }
    Ok(None)
}

fuzz_target!(|input: &[u8]| {
    let Some((&step, bytes)) = input.split_first() else { return };
    let whole = read(bytes, bytes.len().max(1));
    let split = read(bytes, usize::from(step).max(1));
    assert_eq!(format!("{whole:?}"), format!("{split:?}"));
    let Ok(Some((head, _))) = whole else { return };
    assert!(head.len as usize <= bytes.len() && bytes[..head.len as usize].ends_with(b"\r\n\r\n"));
    let dropped = Dropped::of_request(bytes, &head);
    for field in &head.fields {
        let (name, value) = (field.name.of(bytes), field.value.of(bytes));
        assert!(!name.is_empty() && !name.iter().chain(value).any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
        dropped.drops(bytes, field);
    }
});
