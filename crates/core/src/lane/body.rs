//! A body on its way from one side to the other: its length is known, or its chunks are read and framed anew by us.
//!
//! Small pieces are copied behind what waits to be written, so that head and body leave in one write; large ones are
//! passed on from the buffer they were read into.

use super::buffer::Buffer;
use crate::failure::Failure;
use crate::filter::forwarded::Peer;
use crate::framing::{ChunkLimits, ChunkReader, Piece};
use crate::proxy_protocol;
use crate::snapshot::document::ProxyProtocolOut;

/// No more than this is kept in a vector that waits for its next use, in bytes.
const ENOUGH: usize = 64 * 1024;

/// How much is moved at once.
#[derive(Clone, Copy, Debug)]
pub struct Appetite {
    /// Pieces up to this size are copied, larger ones passed, in bytes.
    pub copied: usize,
    /// No more is copied once this much waits, in bytes.
    pub most: usize,
    /// Whether a piece before which nothing waits is passed, however small.
    pub passes_alone: bool,
}

impl Appetite {
    /// For a body that streams.
    pub const STREAM: Self = Self { copied: 16 * 1024, most: 32 * 1024, passes_alone: true };

    /// For a body of which at least `n` bytes are to wait in one place.
    pub const fn gather(n: usize) -> Self {
        Self { copied: usize::MAX, most: n, passes_alone: false }
    }
}

/// What waits to be written on one side: bytes of ours, then bytes of the other side's buffer, then a line end.
#[derive(Debug, Default)]
pub struct Out {
    /// Bytes of ours: heads, chunk sizes, and pieces small enough to copy.
    pub bytes: Vec<u8>,
    /// How many of `bytes` are written.
    pub sent: usize,
    /// How many bytes at the front of the other side's buffer follow.
    pub pass: usize,
    /// What follows those.
    tail: &'static [u8],
    /// How many bytes wait in the kernel, never besides others.
    pub(super) spliced: usize,
    /// How many of `bytes` are a PROXY protocol header, which belongs to the connection.
    announced: usize,
    /// Whether `bytes` stay when they are written, to be sent once more if need be.
    pub keep: bool,
}

impl Out {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.sent >= self.bytes.len() && self.pass == 0 && self.tail.is_empty() && self.spliced == 0
    }

    /// What waits, in order; `source` is the other side's buffer.
    pub fn slices<'a>(&'a self, source: &'a Buffer) -> [&'a [u8]; 3] {
        [
            self.bytes.get(self.sent..).unwrap_or_default(),
            source.filled().get(..self.pass).unwrap_or_default(),
            self.tail,
        ]
    }

    /// Counts `n` bytes as written.
    pub fn wrote(&mut self, n: usize, source: &mut Buffer) {
        if self.spliced > 0 {
            self.spliced = self.spliced.saturating_sub(n);
            return;
        }
        let ours = n.min(self.bytes.len() - self.sent);
        self.sent += ours;
        let passed = (n - ours).min(self.pass);
        self.pass -= passed;
        source.consume(passed);
        self.tail = self.tail.get(n - ours - passed..).unwrap_or_default();
        if self.sent == self.bytes.len() && !self.keep {
            self.bytes.clear();
            self.sent = 0;
        }
    }

    /// Puts a PROXY protocol header in front: the connection is new, and nothing of `bytes` is sent.
    pub(super) fn announce(&mut self, version: Option<ProxyProtocolOut>, peer: &Peer) {
        let mut header = Vec::new();
        proxy_protocol::write(&mut header, version.unwrap_or(ProxyProtocolOut::Off), peer.address, peer.local);
        if !header.is_empty() {
            self.announced = header.len();
            self.bytes.splice(..0, header);
        }
    }

    /// Everything is to be sent once more, on another connection; `bytes` were kept.
    pub(super) fn rewind(&mut self) {
        self.bytes.drain(..self.announced.min(self.bytes.len()));
        (self.announced, self.sent) = (0, 0);
    }

    /// The same bytes, kept, for another connection, where none of them is written.
    pub(super) fn again(&self) -> Self {
        let bytes = self.bytes.get(self.announced..).unwrap_or_default().to_vec();
        Self { bytes, keep: true, ..Self::default() }
    }

    /// Forgets what is written, and that it was to be kept.
    pub fn let_go(&mut self) {
        self.keep = false;
        if self.sent >= self.bytes.len() {
            self.bytes.clear();
            self.sent = 0;
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(ENOUGH);
        self.sent = 0;
        self.pass = 0;
        self.tail = b"";
        self.spliced = 0;
        self.announced = 0;
        self.keep = false;
    }

    fn forward(&mut self, input: &mut Buffer, n: usize, framing: Framing, appetite: Appetite) {
        // Alone and as it is, a piece needs no copy to leave in one write.
        let is_alone = framing == Framing::AsItIs && self.bytes.is_empty();
        let copied = if is_alone && appetite.passes_alone { 0 } else { appetite.copied };
        if framing == Framing::Chunked {
            write_chunk_size(&mut self.bytes, n);
        }
        let tail: &'static [u8] = if framing == Framing::Chunked { b"\r\n" } else { b"" };
        if n <= copied {
            self.bytes.extend_from_slice(input.filled().get(..n).unwrap_or_default());
            self.bytes.extend_from_slice(tail);
            input.consume(n);
        } else {
            self.pass = n;
            self.tail = tail;
        }
    }
}

/// How a body's end is known on the side it comes from.
#[derive(Debug, Default)]
pub enum Coming {
    /// There is none.
    #[default]
    Nothing,
    /// So many bytes are yet to come.
    Length(u64),
    /// Chunks.
    Chunked(ChunkReader),
    /// The connection's end.
    UntilClose,
}

/// How a body's end is told on the side it goes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Framing {
    /// By a length in the head, or by the connection's end.
    #[default]
    AsItIs,
    /// By chunks of ours.
    Chunked,
}

/// A body on its way.
#[derive(Debug, Default)]
pub struct Body {
    coming: Coming,
    framing: Framing,
    done: bool,
    taken: u64,
}

impl Body {
    /// A body of which nothing has come.
    pub fn new(coming: Coming, framing: Framing) -> Self {
        let done = matches!(coming, Coming::Nothing | Coming::Length(0));
        Self { coming, framing, done, taken: 0 }
    }

    /// Whether all of it has come and waits to be written, or is written.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// How many bytes of it have come, framing apart.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether its end is told by the connection's end, on the side it comes from.
    pub fn ends_with_connection(&self) -> bool {
        matches!(self.coming, Coming::UntilClose)
    }

    /// Whether the receiver cannot tell a cut body from a whole one unless the connection is reset.
    pub fn hides_a_cut(&self) -> bool {
        self.framing == Framing::AsItIs && !matches!(self.coming, Coming::Length(_) | Coming::Nothing)
    }

    /// How many bytes are known to be yet to come; `None` if nobody knows.
    pub fn expects(&self) -> Option<u64> {
        match &self.coming {
            Coming::Nothing => Some(0),
            Coming::Length(left) => Some(*left),
            Coming::Chunked(_) | Coming::UntilClose => None,
        }
    }

    /// How many bytes are yet to come, where they go on as they are; `None` where they are framed anew.
    pub fn passes(&self) -> Option<usize> {
        match (&self.coming, self.framing) {
            (Coming::Length(left), Framing::AsItIs) => Some(usize::try_from(*left).unwrap_or(usize::MAX)),
            (Coming::Nothing | Coming::Length(_) | Coming::Chunked(_) | Coming::UntilClose, _) => None,
        }
    }

    /// Counts `n` bytes as moved that went by without being seen here; no more than it [`Body::passes`].
    pub fn skip(&mut self, n: usize) {
        if let Coming::Length(left) = &mut self.coming {
            *left = left.saturating_sub(n as u64);
            self.taken += n as u64;
            self.done = *left == 0;
        }
    }

    /// Moves what has come from `input` to `out`, until one of them has no more to give or take.
    /// Fails where the chunks are not chunks.
    pub fn advance(
        &mut self,
        input: &mut Buffer,
        out: &mut Out,
        limits: &ChunkLimits,
        appetite: Appetite,
    ) -> Result<(), Failure> {
        while !self.done && out.pass == 0 && out.bytes.len() < appetite.most && !input.is_empty() {
            match &mut self.coming {
                Coming::Nothing => self.done = true,
                Coming::Length(left) => {
                    let n = input.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= n as u64;
                    self.done = *left == 0;
                    self.taken += n as u64;
                    out.forward(input, n, self.framing, appetite);
                    if self.done {
                        self.finish(out);
                    }
                }
                Coming::UntilClose => {
                    let n = input.len();
                    self.taken += n as u64;
                    out.forward(input, n, self.framing, appetite);
                }
                Coming::Chunked(reader) => {
                    let (used, piece) = reader.advance(input.filled(), limits)?;
                    match piece {
                        Piece::Data { at, len } => {
                            input.consume(at);
                            self.taken += len as u64;
                            out.forward(input, len, self.framing, appetite);
                        }
                        Piece::NeedMore => {
                            input.consume(used);
                            break;
                        }
                        Piece::End => {
                            input.consume(used);
                            self.done = true;
                            self.finish(out);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes those trailers out of `out` whose names `drops` holds for; called when the body has just become whole, and
    /// nothing of its end is written.
    pub fn drop_trailers(&self, out: &mut Out, drops: impl Fn(&[u8]) -> bool) {
        let (Coming::Chunked(reader), Framing::Chunked) = (&self.coming, self.framing) else { return };
        let trailers = reader.trailers();
        let Some(start) = out.bytes.len().checked_sub(trailers.len() + b"\r\n".len()) else { return };
        if trailers.is_empty() || out.bytes.get(start..start + trailers.len()) != Some(trailers) {
            return;
        }
        out.bytes.truncate(start);
        for line in trailers.split_inclusive(|byte| *byte == b'\n') {
            if !drops(line.split(|byte| *byte == b':').next().unwrap_or_default()) {
                out.bytes.extend_from_slice(line);
            }
        }
        out.bytes.extend_from_slice(b"\r\n");
    }

    /// The connection it came on has ended: says whether that is this body's end.
    pub fn close(&mut self, out: &mut Out) -> bool {
        if self.ends_with_connection() && !self.done {
            self.done = true;
            self.finish(out);
        }
        self.done
    }

    /// Writes what tells the end.
    fn finish(&self, out: &mut Out) {
        if self.framing == Framing::AsItIs {
            return;
        }
        // Where bytes are passed, the last chunk must come after them.
        if out.pass > 0 {
            out.tail = b"\r\n0\r\n\r\n";
            return;
        }
        out.bytes.extend_from_slice(b"0\r\n");
        if let Coming::Chunked(reader) = &self.coming {
            out.bytes.extend_from_slice(reader.trailers());
        }
        out.bytes.extend_from_slice(b"\r\n");
    }
}

/// Appends a chunk's size line (RFC 9112, section 7.1).
fn write_chunk_size(out: &mut Vec<u8>, n: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = (usize::BITS - n.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        out.extend(DIGITS.get((n >> (place * 4)) & 0xf));
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::super::buffer::Shelf;
    use super::*;

    const LIMITS: ChunkLimits = ChunkLimits { extension: 4096, trailer: 8192 };

    fn run(mut body: Body, input: &[u8], step: usize) -> (String, bool) {
        let mut shelf = Shelf::new();
        let mut buffer = shelf.take(input.len().max(1));
        let (mut out, mut written) = (Out::default(), Vec::new());
        for piece in input.chunks(step) {
            buffer.compact();
            buffer.room()[..piece.len()].copy_from_slice(piece);
            buffer.fill(piece.len());
            body.advance(&mut buffer, &mut out, &LIMITS, Appetite::STREAM).unwrap();
            let slices = out.slices(&buffer).concat();
            out.wrote(slices.len(), &mut buffer);
            written.extend(slices);
            assert!(out.is_empty());
        }
        (String::from_utf8(written).unwrap(), body.is_done())
    }

    #[test]
    fn a_length_passes_its_bytes_and_no_more() {
        let body = Body::new(Coming::Length(5), Framing::AsItIs);
        assert_eq!(run(body, b"hello", 2), ("hello".into(), true));
    }

    #[test]
    fn chunks_are_framed_anew_without_their_extensions() {
        let input = b"5;x=y\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n";
        let body = || Body::new(Coming::Chunked(ChunkReader::default()), Framing::Chunked);
        assert_eq!(run(body(), input, 100), ("5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n".into(), true));
        assert!(run(body(), input, 1).0.ends_with("0\r\nx-sum: 1\r\n\r\n"));
    }

    #[test]
    fn large_pieces_are_passed_with_their_frame_around() {
        let input = vec![b'x'; 20_000];
        let body = Body::new(Coming::Length(20_000), Framing::Chunked);
        let (written, done) = run(body, &input, 20_000);
        assert!(done && written.starts_with("4e20\r\nxxx") && written.ends_with("xxx\r\n0\r\n\r\n"));
        assert_eq!(written.len(), 20_000 + 6 + 2 + 5);
    }

    #[test]
    fn sizes_are_written_in_hexadecimal() {
        let mut out = Vec::new();
        for n in [1, 15, 16, 255, 4096, 65_536] {
            write_chunk_size(&mut out, n);
        }
        assert_eq!(out, b"1\r\nf\r\n10\r\nff\r\n1000\r\n10000\r\n");
    }
}
