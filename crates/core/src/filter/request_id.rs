//! A request's name, from whom we believe, or made; and the filter `request_id`: another field for it.

use super::headers::may_be_written;
use crate::dice::Dice;
use crate::head::Field;
use crate::rule::{Subject, Text};
use crate::snapshot::document::RequestIdSource;

/// At most 128 token characters, held in place.
#[derive(Clone, Copy)]
pub struct RequestId {
    bytes: [u8; Self::LONGEST],
    len: u8,
}

impl RequestId {
    /// Most characters.
    pub const LONGEST: usize = 128;

    /// The id that was sent; `None` unless it is 1 to 128 token characters (RFC 9110, section 5.6.2).
    pub fn sent(value: &[u8]) -> Option<Self> {
        let mut id = Self { len: u8::try_from(value.len()).ok()?, ..Self::default() };
        let place = id.bytes.get_mut(..value.len()).filter(|place| !place.is_empty())?;
        place.copy_from_slice(value);
        value.iter().all(|byte| is_token(*byte)).then_some(id)
    }

    /// A new id: 32 hexadecimal digits.
    pub fn made(dice: &mut Dice) -> Self {
        let mut id = Self { len: 32, ..Self::default() };
        let mut bits = u128::from(dice.roll()) << 64 | u128::from(dice.roll());
        for place in id.bytes.iter_mut().take(32) {
            let digit = u8::try_from(bits & 0xF).unwrap_or(0);
            *place = if digit < 10 { b'0' + digit } else { b'a' + (digit - 10) };
            bits >>= 4;
        }
        id
    }

    /// Its characters.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Its characters; empty before there is one.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

/// The field that carries the id of a route's requests, where it is not `X-Request-Id`.
#[derive(Debug)]
pub struct Believed {
    field: Box<[u8]>,
    from: Option<Text>,
}

impl Believed {
    /// Compiles. Fails on a name that no filter may write.
    pub fn build(source: &RequestIdSource) -> Result<Self, String> {
        may_be_written(&source.field).map_err(|says| format!("request_id: {says}"))?;
        let from = source.from.as_ref().map(Text::compile).transpose();
        let from = from.map_err(|says| format!("request_id: {says}"))?;
        Ok(Self { field: source.field.as_bytes().into(), from })
    }

    /// The name of the field.
    pub fn field(&self) -> &[u8] {
        &self.field
    }

    /// The id that the request came with, if it is one: what `from` says, whoever sends it; else what a believed peer has
    /// sent in the field, if it is there alone.
    pub fn find(&self, subject: &Subject<'_>) -> Option<RequestId> {
        if let Some(from) = &self.from {
            return RequestId::sent(&from.read(subject));
        }
        let is_it = |field: &&Field| field.name.of(subject.bytes).eq_ignore_ascii_case(&self.field);
        let mut lines = subject.head.fields.iter().filter(is_it).filter(|_| subject.told.trusted);
        let id = RequestId::sent(lines.next()?.value.of(subject.bytes))?;
        lines.next().is_none().then_some(id)
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self { bytes: [0; Self::LONGEST], len: 0 }
    }
}

impl std::fmt::Debug for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// RFC 9110, section 5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
