//! A ClientHello from anybody: what is said of its beginning stays true of more of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_core::layer4::hello::{Seen, read};

fuzz_target!(|input: (u16, &[u8])| {
    let (at, bytes) = input;
    let at = usize::from(at).min(bytes.len());
    let (before, after) = (read(&bytes[..at]), read(bytes));
    assert!(before == Ok(Seen::Partial) || before == after, "{before:?} became {after:?}");
});
