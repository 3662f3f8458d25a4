//! How the bytes of a transcript's input come.

use crate::script::Script;

/// A large piece is not split at each of its bytes, but at so many at its front and at its end.
const FRONT: usize = 200;
const END: usize = 20;

/// So many bytes of a piece come each alone, and what follows in pieces of an odd size.
const MOST_ALONE: usize = 4_000;

/// How the bytes of the input come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Split {
    /// As they are written.
    Whole,
    /// Each byte alone.
    EachByte,
    /// As they are written, but those of one step in two pieces.
    At { step: usize, at: usize },
}

/// Every way to split the input that is tried: each byte alone, and in two at each place.
pub(crate) fn all(script: &Script) -> Vec<Split> {
    let mut splits = vec![Split::EachByte];
    for (step, bytes) in script.pieces() {
        let places = (1..bytes.len()).filter(|at| *at <= FRONT || at + END >= bytes.len());
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
            Self::Whole | Self::At { .. } => vec![bytes],
        }
    }
}
