//! What a supervisor's socket brings: no panic in cutting it into frames, in reading requests from those, and in
//! compiling the snapshots among them; and no more frames than the bytes have room for. The first byte of the input
//! says whether what follows are frames as they come, or what one frame holds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_engine::control::understand;

/// The shortest frame that says something: a length, and `{"kind":"status","id":1}`.
const SHORTEST: usize = 4 + 24;

fuzz_target!(|input: &[u8]| {
    let Some((&first, bytes)) = input.split_first() else { return };
    let understood = if first & 1 == 0 {
        understand(bytes)
    } else {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        understand(&[&length.to_be_bytes(), bytes].concat())
    };
    assert!(understood.expect("a socket pair") * SHORTEST <= bytes.len() + 4);
});
