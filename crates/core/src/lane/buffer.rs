//! Buffers: bytes between a start and an end in a fixed box, and the shelf that boxes go back to.
//!
//! A connection that waits holds none; a thread's exchanges use the same few boxes again and again, last used first.

use super::exchange::Exchange;

/// Size of the box that a client's bytes are read into, in bytes.
pub const SMALL: usize = 16 * 1024;

/// Size of the box that bodies and answers are read into, in bytes. Large reads pay for themselves: with 16 KiB a
/// 100 KiB answer cost 1.3 times what it costs with 64 KiB.
pub const LARGE: usize = 128 * 1024;

/// Size of the box that a head which dribbles in is moved to, in bytes.
pub const NOOK: usize = 1024;

/// Most boxes of one size that a shelf keeps; what comes back to a full shelf is freed.
const KEPT: usize = 64;

/// Most large boxes that a shelf lends. In a crowd of clients that take their answers slowly, each one more makes do
/// with a small one.
pub const MOST_LARGE: usize = 256;

/// Bytes between a start and an end in a fixed box.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// A buffer that holds nothing and has room for nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// How many bytes it could hold.
    pub fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// How many bytes wait in it.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether no byte waits in it.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The waiting bytes.
    pub fn filled(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Room behind the waiting bytes; move them to the front first if there is little (see [`Buffer::compact`]).
    pub fn room(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// How many bytes of room there are behind the waiting ones.
    pub fn room_len(&self) -> usize {
        self.bytes.len() - self.end
    }

    /// Counts `n` bytes that were written to the front of [`Buffer::room`] as waiting.
    pub fn fill(&mut self, n: usize) {
        self.end = self.bytes.len().min(self.end + n);
    }

    /// Drops the first `n` waiting bytes.
    pub fn consume(&mut self, n: usize) {
        self.start = self.end.min(self.start + n);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Moves the waiting bytes to the front of the box.
    pub fn compact(&mut self) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
    }

    /// Moves the waiting bytes into `other`, as many as it has room for, and gives back what held them.
    fn move_into(self, mut other: Self) -> (Self, Self) {
        let n = self.len().min(other.capacity());
        if let (Some(to), Some(from)) = (other.bytes.get_mut(..n), self.filled().get(..n)) {
            to.copy_from_slice(from);
        }
        other.start = 0;
        other.end = n;
        (other, self)
    }
}

/// Boxes that wait for their next use, by size, and buffers that lanes need while they build messages.
#[derive(Default)]
pub struct Shelf {
    small: Vec<Box<[u8]>>,
    large: Vec<Box<[u8]>>,
    lent: usize,
    // Boxed, since lanes hold boxes: an idle lane has none.
    #[expect(clippy::vec_box, reason = "a box goes from lane to shelf and back without a copy")]
    exchanges: Vec<Box<Exchange>>,
}

impl Shelf {
    /// An empty shelf.
    pub fn new() -> Self {
        Self::default()
    }

    /// A box of at least `size` bytes, which may hold old bytes behind its end.
    pub fn take(&mut self, size: usize) -> Buffer {
        let bytes = match size {
            n if n <= NOOK => new_box(NOOK),
            n if n <= SMALL => self.small.pop().unwrap_or_else(|| new_box(SMALL)),
            n if n <= LARGE => {
                self.lent += 1;
                self.large.pop().unwrap_or_else(|| new_box(LARGE))
            }
            _ => new_box(size),
        };
        Buffer { bytes, start: 0, end: 0 }
    }

    /// A box of `size` bytes, or a small one where all large ones are lent.
    pub fn take_up_to(&mut self, size: usize) -> Buffer {
        self.take(if self.lent < MOST_LARGE { size } else { size.min(SMALL) })
    }

    /// Takes the box of `buffer` back, which then has none. Bytes that waited in it are gone.
    pub fn give_back(&mut self, buffer: &mut Buffer) {
        let bytes = std::mem::take(buffer).bytes;
        let kept = match bytes.len() {
            SMALL => &mut self.small,
            LARGE => {
                self.lent = self.lent.saturating_sub(1);
                &mut self.large
            }
            _ => return,
        };
        if kept.len() < KEPT {
            kept.push(bytes);
        }
    }

    /// Moves what waits in `buffer` to a box of `size` bytes; gives the old box back.
    pub fn resize(&mut self, buffer: &mut Buffer, size: usize) {
        let new = self.take(size);
        let (new, mut old) = std::mem::take(buffer).move_into(new);
        *buffer = new;
        self.give_back(&mut old);
    }
}

impl Shelf {
    /// An exchange in which nothing has happened.
    pub(super) fn take_exchange(&mut self) -> Box<Exchange> {
        self.exchanges.pop().unwrap_or_default()
    }

    /// Takes an exchange back; it forgets all but the room of its vectors.
    pub(super) fn keep_exchange(&mut self, mut exchange: Box<Exchange>) {
        if self.exchanges.len() < KEPT {
            exchange.reset();
            self.exchanges.push(exchange);
        }
    }
}

fn new_box(size: usize) -> Box<[u8]> {
    vec![0; size].into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(buffer: &mut Buffer, bytes: &[u8]) {
        buffer.room()[..bytes.len()].copy_from_slice(bytes);
        buffer.fill(bytes.len());
    }

    #[test]
    fn what_was_put_in_comes_out_in_order() {
        let mut shelf = Shelf::new();
        let mut buffer = shelf.take(SMALL);
        put(&mut buffer, b"hello ");
        put(&mut buffer, b"world");
        buffer.consume(6);
        assert_eq!(buffer.filled(), b"world");
        buffer.compact();
        assert_eq!(buffer.filled(), b"world");
        assert_eq!(buffer.room_len(), SMALL - 5);
    }

    #[test]
    fn a_resize_keeps_what_waits() {
        let mut shelf = Shelf::new();
        let mut buffer = shelf.take(NOOK);
        put(&mut buffer, b"GET /");
        buffer.consume(1);
        shelf.resize(&mut buffer, SMALL);
        assert_eq!((buffer.filled(), buffer.capacity()), (&b"ET /"[..], SMALL));
    }

    #[test]
    fn a_crowd_makes_do_with_small_boxes_and_what_waits_is_never_cut() {
        let mut shelf = Shelf::new();
        let mut lent: Vec<Buffer> = (0..MOST_LARGE).map(|_| shelf.take_up_to(LARGE)).collect();
        let mut small = shelf.take_up_to(LARGE);
        assert_eq!((lent[0].capacity(), small.capacity()), (LARGE, SMALL));
        put(&mut small, &[b'x'; SMALL]);
        shelf.resize(&mut small, 2 * SMALL);
        assert_eq!((small.len(), small.capacity()), (SMALL, LARGE));
        shelf.give_back(&mut small);
        shelf.give_back(&mut lent[0]);
        assert_eq!(shelf.take_up_to(LARGE).capacity(), LARGE);
    }

    #[test]
    fn a_box_is_used_again() {
        let mut shelf = Shelf::new();
        let mut buffer = shelf.take(LARGE);
        shelf.give_back(&mut buffer);
        assert_eq!((buffer.capacity(), shelf.large.len()), (0, 1));
        assert_eq!(shelf.take(LARGE).capacity(), LARGE);
        assert!(shelf.large.is_empty());
    }
}
