//! The authority of a request: name and port (RFC 9110, section 7.2).

use crate::head::Span;

/// An authority, checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HostSpan {
    /// All of it, as it was sent.
    pub whole: Span,
    /// The name without port and without a closing dot, as it was sent: `Example.com`, `10.0.0.1`, `[::1]`.
    pub name: Span,
    /// The port, if there is one.
    pub port: Option<u16>,
}
