//! What is wrong with a message, where, and how that is told.

use crate::failure::{Failure, Kind, Stage};
use crate::head::Field;

/// Most bytes of a stranger's message that a reason repeats.
const MOST_SHOWN: usize = 40;

/// Whose message it is: a client's is refused to it, an endpoint's becomes a 502.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Side {
    /// A request.
    #[default]
    Request,
    /// An answer.
    Response,
}

/// What is wrong, before it is known how to tell it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Flaw {
    /// What kind of failure it is in a request.
    pub(super) kind: Kind,
    /// Where the wrong bytes begin.
    pub(super) at: usize,
    /// How many bytes are to be shown.
    pub(super) len: usize,
    /// What is wrong with them.
    pub(super) what: &'static str,
}

impl Flaw {
    /// One wrong byte.
    #[cold]
    pub(super) fn byte(kind: Kind, at: usize, what: &'static str) -> Self {
        Self { kind, at, len: 1, what }
    }

    /// Several wrong bytes.
    #[cold]
    pub(super) fn bytes(kind: Kind, at: usize, len: usize, what: &'static str) -> Self {
        Self { kind, at, len, what }
    }

    /// A field's value.
    #[cold]
    pub(super) fn field(kind: Kind, field: &Field, what: &'static str) -> Self {
        Self { kind, at: field.value.start as usize, len: field.value.len(), what }
    }

    /// The failure, with what was found in `bytes`.
    #[cold]
    pub(super) fn tell(self, side: Side, bytes: &[u8]) -> Failure {
        let found = bytes.get(self.at..).unwrap_or_default();
        let found = found.get(..self.len).unwrap_or(found);
        side.refuse(self.kind, self.at as u64, self.what, found)
    }
}

impl Side {
    /// A failure that names the place and shows at most forty bytes of what was `found` there.
    #[cold]
    pub(super) fn refuse(self, kind: Kind, at: u64, what: &str, found: &[u8]) -> Failure {
        let shown = found.get(..MOST_SHOWN).unwrap_or(found).escape_ascii();
        let more = if found.len() > MOST_SHOWN { "..." } else { "" };
        self.fail(kind, format!("byte {at}: {what}: `{shown}`{more}"))
    }

    /// A failure with a reason of its own.
    #[cold]
    pub(super) fn fail(self, kind: Kind, reason: String) -> Failure {
        match self {
            Self::Request => Failure::new(kind, Stage::Codec, reason),
            Self::Response => Failure::new(of_response(kind), Stage::Exchange, reason),
        }
    }
}

/// What a failure of a request is called when an endpoint is to blame.
fn of_response(kind: Kind) -> Kind {
    if matches!(kind, Kind::HeadTooLarge | Kind::TooManyHeaders | Kind::RequestLineTooLong) {
        Kind::ResponseHeadTooLarge
    } else {
        Kind::ResponseMalformed
    }
}
