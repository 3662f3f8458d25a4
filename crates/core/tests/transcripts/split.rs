//! How the bytes of a transcript's input come.

use crate::script::Script;

/// A piece is split at each of its bytes; a large one, at so many at its front and at its end.
const LARGE: usize = 2_000;
const FRONT: usize = 60;
const END: usize = 10;

/// So many bytes of a piece come each alone, and what follows in pieces of an odd size.
const MOST_ALONE: usize = 4_000;

/// How the bytes of the input come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Split {
    /// As they are written.
    Whole,
    /// Each byte alone.
    EachByte,
    /// As they are written; those of an answer that need not be seen go past the lane.
    Spliced,
    /// As they are written, but those of one step in two pieces.
    At { step: usize, at: usize },
}

/// Every way that is tried: each byte alone, past the lane where it allows that, and in two at each place.
pub(crate) fn all(script: &Script) -> Vec<Split> {
    let mut splits = vec![Split::EachByte, Split::Spliced];
    for (step, bytes) in script.pieces() {
        let is_small = bytes.len() <= LARGE;
        let places = (1..bytes.len()).filter(|at| is_small || *at <= FRONT || at + END >= bytes.len());
        splits.extend(places.map(|at| Split::At { step, at }));
    }
    splits
}

impl Split {
    /// The pieces that the bytes of `step` come in.
    pub(crate) fn pieces(self, step: usize, bytes: &[u8]) -> Vec<&[u8]> {
        match self {
            Self::EachByte => {
                let (front, rest) = bytes.split_at(bytes.len().min(MOST_ALONE));
                front.chunks(1).chain(rest.chunks(997)).collect()
            }
            Self::At { step: here, at } if here == step => vec![&bytes[..at], &bytes[at..]],
            Self::Whole | Self::Spliced | Self::At { .. } => vec![bytes],
        }
    }
}
