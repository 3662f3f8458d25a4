//! A socket that does what a script says.

use std::collections::VecDeque;

/// What a side has sent and not been asked for yet.
pub(crate) enum Coming<'a> {
    /// These.
    Bytes(&'a [u8]),
    /// That it sends no more.
    End,
    /// That it broke.
    Reset,
}

/// One side's socket.
pub(crate) struct Socket<'a> {
    /// In order.
    pub(crate) coming: VecDeque<Coming<'a>>,
    /// For so many more bytes.
    pub(crate) room: usize,
    /// It takes no more, whatever its room.
    pub(crate) refuses: bool,
}

impl Socket<'_> {
    /// One that has sent nothing, and takes all.
    pub(crate) fn new() -> Self {
        Self { coming: VecDeque::new(), room: usize::MAX, refuses: false }
    }
}
