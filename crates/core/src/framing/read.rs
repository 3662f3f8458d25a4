//! From bytes to heads, line by line: each byte is looked at a bounded number of times, however it dribbles in.

use crate::failure::Failure;
use crate::head::{RequestHead, ResponseHead};

/// Bounds on a head; `u32::MAX` is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadLimits {
    /// Bytes of the head, its closing empty line included.
    pub bytes: u32,
    /// Field lines.
    pub fields: u32,
    /// Bytes of the first line, its CR LF apart.
    pub line: u32,
}

/// How far a head is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// More bytes are needed.
    Partial,
    /// It is whole; `head.len` tells where the body begins.
    Complete,
}

/// Where reading stopped for want of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HeadReader {}

impl HeadReader {
    /// Makes it ready for the next head.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// Reads on in a request's head. `bytes` holds all of it that has come, from its first byte.
    pub fn read_request(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
        head: &mut RequestHead,
    ) -> Result<Progress, Failure> {
        let _ = (bytes, limits, head);
        Ok(Progress::Partial)
    }

    /// Reads on in an answer's head. `bytes` holds all of it that has come, from its first byte.
    pub fn read_response(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
        head: &mut ResponseHead,
    ) -> Result<Progress, Failure> {
        let _ = (bytes, limits, head);
        Ok(Progress::Partial)
    }
}
