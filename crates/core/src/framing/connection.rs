//! Which fields end here: hop-by-hop ones, and those that `Connection` names (RFC 9110, section 7.6.1).

use crate::head::{Field, RequestHead, ResponseHead};

/// Which fields of a head are not passed on.
#[derive(Clone, Debug, Default)]
pub struct Dropped {}

impl Dropped {
    /// Of a request that was judged.
    pub fn of_request(bytes: &[u8], head: &RequestHead) -> Self {
        let _ = (bytes, head);
        Self {}
    }

    /// Of an answer that was judged.
    pub fn of_response(bytes: &[u8], head: &ResponseHead) -> Self {
        let _ = (bytes, head);
        Self {}
    }

    /// Whether `field` is not passed on. The lane writes Content-Length and Host itself: they are not named here.
    pub fn drops(&self, bytes: &[u8], field: &Field) -> bool {
        let _ = (bytes, field);
        false
    }
}
