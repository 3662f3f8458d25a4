//! A chunked body, piece by piece (RFC 9112, section 7.1).

use crate::failure::Failure;

/// Bounds on what surrounds the data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChunkLimits {
    /// Bytes of one chunk's extensions; also how far all extensions together may outweigh the data.
    pub extension: u32,
    /// Bytes of all trailers.
    pub trailer: u32,
}

/// What comes next in a chunked body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece {
    /// `len` bytes of data that begin at `at` of the input.
    Data {
        /// Where they begin.
        at: usize,
        /// How many.
        len: usize,
    },
    /// The input is used up.
    NeedMore,
    /// The body is whole; its trailers are in [`ChunkReader::trailers`].
    End,
}

/// Walks a chunked body; never looks at a byte of data.
#[derive(Clone, Debug, Default)]
pub struct ChunkReader {
    trailers: Vec<u8>,
}

impl ChunkReader {
    /// A reader whose failures are those of an answer (502), not of a request.
    pub fn of_response() -> Self {
        Self::default()
    }

    /// Looks at `input`, says how many of its bytes are used up (for data: through its end) and what they are.
    pub fn advance(&mut self, input: &[u8], limits: &ChunkLimits) -> Result<(usize, Piece), Failure> {
        let _ = (input, limits);
        Ok((0, Piece::NeedMore))
    }

    /// How many bytes of data of the current chunk are still to come.
    pub fn remaining_in_chunk(&self) -> u64 {
        0
    }

    /// The trailers, each line with its CR LF; empty if there are none.
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }
}
