//! A chunked body: no panic, the same data, trailers and end however the bytes are split, and trailers that are lines.
//! The first byte of the input says in how large steps the bytes come.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_core::failure::Failure;
use tidegate_core::framing::{ChunkLimits, ChunkReader, Piece};

const LIMITS: ChunkLimits = ChunkLimits { extension: 32, trailer: 128 };

/// The data, where the body ended (if it did), and the trailers.
fn read(bytes: &[u8], step: usize) -> Result<(Vec<u8>, Option<usize>, Vec<u8>), Failure> {
    let (mut reader, mut data, mut at) = (ChunkReader::default(), Vec::new(), 0);
    for start in (0..bytes.len()).step_by(step) {
        let end = (start + step).min(bytes.len());
        loop {
            let input = &bytes[at..end];
            let (used, piece) = reader.advance(input, &LIMITS)?;
            at += used;
            match piece {
                Piece::Data { at, len } => {
                    assert!(len > 0 && at + len == used);
                    data.extend_from_slice(&input[at..used]);
                }
                Piece::NeedMore => {
                    assert_eq!(used, input.len());
                    break;
                }
                Piece::End => return Ok((data, Some(at), reader.trailers().to_vec())),
            }
        }
    }
    Ok((data, None, Vec::new()))
}

fuzz_target!(|input: &[u8]| {
    let Some((&step, bytes)) = input.split_first() else { return };
    let whole = read(bytes, bytes.len().max(1));
    let split = read(bytes, usize::from(step).max(1));
    assert_eq!(whole, split);
    let Ok((data, Some(end), trailers)) = whole else { return };
    assert!(data.len() < end && bytes[..end].ends_with(b"\r\n"));
    for line in trailers.split_inclusive(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r\n").expect("a trailer is a line with its CR LF");
        assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) && line.contains(&b':'));
    }
});
