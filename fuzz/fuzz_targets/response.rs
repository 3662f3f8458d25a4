//! An answer's head: no panic, the same result however the bytes are split, and nothing in a field that ends a line.
//! The first byte of the input says in how large steps the bytes come, and by its highest bit whether HEAD was asked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_core::failure::Failure;
use tidegate_core::framing::{Dropped, HeadLimits, HeadReader, Progress, ResponseFacts, judge_response};
use tidegate_core::head::{Method, ResponseHead};

const LIMITS: HeadLimits = HeadLimits { bytes: 512, fields: 8, line: 128 };

fn read(bytes: &[u8], method: Method, step: usize) -> Result<Option<(ResponseHead, ResponseFacts)>, Failure> {
    let (mut reader, mut head) = (HeadReader::default(), ResponseHead::default());
    for start in (0..bytes.len()).step_by(step) {
        let come = &bytes[..(start + step).min(bytes.len())];
        if reader.read_response(come, &LIMITS, &mut head)? == Progress::Complete {
            let facts = judge_response(bytes, &head, method)?;
            return Ok(Some((head, facts)));
        }
    }
    Ok(None)
}

fuzz_target!(|input: &[u8]| {
    let Some((&first, bytes)) = input.split_first() else { return };
    let method = if first & 0x80 == 0 { Method::Get } else { Method::Head };
    let whole = read(bytes, method, bytes.len().max(1));
    let split = read(bytes, method, usize::from(first & 0x7f).max(1));
    assert_eq!(format!("{whole:?}"), format!("{split:?}"));
    let Ok(Some((head, _))) = whole else { return };
    assert!((100..600).contains(&head.status));
    assert!(head.len as usize <= bytes.len() && bytes[..head.len as usize].ends_with(b"\r\n\r\n"));
    let dropped = Dropped::of_response(bytes, &head);
    let bare = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
    assert!(!head.reason.of(bytes).iter().any(bare));
    for field in &head.fields {
        let (name, value) = (field.name.of(bytes), field.value.of(bytes));
        assert!(!name.is_empty() && !name.iter().chain(value).any(bare));
        dropped.drops(bytes, field);
    }
});
