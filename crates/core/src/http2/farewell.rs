//! Why a peer is sent away, with a GOAWAY.

/// Why a peer is sent away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Farewell {
    /// It begins streams to reset them (CVE-2023-44487).
    Resets,
    /// It floods with frames that serve no request.
    Chatter,
    /// It burdens what must be kept: header blocks without an end, empty DATA, streams that break their rules.
    Burden,
    /// What it sends is not HTTP/2.
    Protocol,
}

impl Farewell {
    /// Every one.
    pub const ALL: &[Self] = &[Self::Resets, Self::Chatter, Self::Burden, Self::Protocol];

    /// The word in metrics and log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resets => "resets",
            Self::Chatter => "chatter",
            Self::Burden => "burden",
            Self::Protocol => "protocol",
        }
    }

    /// What it did.
    pub const fn says(self) -> &'static str {
        match self {
            Self::Resets => "it reset most of its streams, and more than http2.resets in 10 s",
            Self::Chatter => "it sent over 1000 frames in 10 s that serve no request (PING, SETTINGS, PRIORITY)",
            Self::Burden => "it sent header blocks without an end, empty DATA, or streams that break their rules",
            Self::Protocol => "what it sent is not HTTP/2 as RFC 9113 has it",
        }
    }
}
