//! What may stand in a request several times: field lines, cookies, query terms. Looked up by name, joined by `, ` as
//! RFC 9110, section 5.3, joins field lines; what is not there is empty.

use std::borrow::Cow;
use std::ops::ControlFlow;

use super::subject::Subject;
use crate::head::Known;
use crate::snapshot::document;

/// Compiled [`document::Repeated`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repeated {
    /// A field that the road knows anyway.
    Known(Known),
    /// Another field, in lower case.
    Header(Box<[u8]>),
    /// A pair of `Cookie`.
    Cookie(Box<[u8]>),
    /// A term of the query.
    Query(Box<[u8]>),
}

impl Repeated {
    /// Compiles.
    pub fn compile(written: &document::Repeated) -> Self {
        match written {
            document::Repeated::Header(name) => {
                let known = Known::of(name.as_bytes());
                let lower = || Self::Header(name.to_ascii_lowercase().into_bytes().into_boxed_slice());
                if known == Known::Other { lower() } else { Self::Known(known) }
            }
            document::Repeated::Cookie(name) => Self::Cookie(name.as_bytes().into()),
            document::Repeated::Query(name) => Self::Query(name.as_bytes().into()),
        }
    }

    /// All of them as one text.
    pub fn joined<'s>(&'s self, subject: &Subject<'s>) -> Cow<'s, [u8]> {
        let mut all: Option<Cow<'s, [u8]>> = None;
        let _ = self.each(subject, |value| {
            match &mut all {
                None => all = Some(value),
                Some(all) => {
                    let all = all.to_mut();
                    all.extend_from_slice(b", ");
                    all.extend_from_slice(&value);
                }
            }
            ControlFlow::Continue(())
        });
        all.unwrap_or_default()
    }

    /// Whether one of them is `wanted`.
    pub fn has(&self, wanted: &[u8], subject: &Subject<'_>) -> bool {
        self.find(subject, |value| (*value == *wanted).then_some(())).is_some()
    }

    /// What `look` makes of the first of them of which it makes something.
    pub fn find<T>(&self, subject: &Subject<'_>, look: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let mut found = None;
        let _ = self.each(subject, |value| {
            found = look(&value);
            if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        found
    }

    fn each<'s>(
        &'s self,
        subject: &Subject<'s>,
        mut take: impl FnMut(Cow<'s, [u8]>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Subject { bytes, head, .. } = *subject;
        match self {
            Self::Known(known) => {
                let mut fields = head.fields.iter().filter(|field| field.known == *known);
                fields.try_for_each(|field| take(Cow::Borrowed(field.value.of(bytes))))
            }
            Self::Header(name) => {
                for field in &head.fields {
                    let is_near = field.known == Known::Other && field.name.len() == name.len();
                    if is_near && is_same(field.name.of(bytes), name) {
                        take(Cow::Borrowed(field.value.of(bytes)))?;
                    }
                }
                ControlFlow::Continue(())
            }
            Self::Cookie(name) => {
                let mut lines = head.fields.iter().filter(|field| field.known == Known::Cookie);
                lines.try_for_each(|line| {
                    let mut rest = line.value.of(bytes);
                    while !rest.is_empty() {
                        let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
                        if let Some(value) = value_of(rest.get(..end).unwrap_or_default(), name) {
                            take(Cow::Borrowed(value))?;
                        }
                        rest = rest.get(end + 1..).unwrap_or_default();
                    }
                    ControlFlow::Continue(())
                })
            }
            Self::Query(name) => {
                let mut terms = subject.query().split(|byte| *byte == b'&').filter(|term| !term.is_empty());
                terms.try_for_each(|term| match split(term) {
                    (key, value) if *unquoted(key) == **name => take(unquoted(value)),
                    _ => ControlFlow::Continue(()),
                })
            }
        }
    }
}

/// Whether a name, as long as `lower`, is `lower` in any case. Names of one length mostly differ in their last letter.
#[inline]
fn is_same(name: &[u8], lower: &[u8]) -> bool {
    let last = name.last().map(u8::to_ascii_lowercase);
    last.as_ref() == lower.last() && name.eq_ignore_ascii_case(lower)
}

/// The value of a cookie's pair; a name is told apart by case, as browsers do (RFC 6265, section 5.3). A pair without
/// `=` has no name. Nothing is unquoted or decoded: a cookie is what its maker set.
fn value_of<'a>(pair: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let behind = pair.trim_ascii_start().strip_prefix(name)?.trim_ascii_start();
    behind.strip_prefix(b"=").map(<[u8]>::trim_ascii)
}

/// A term's name and value; a term without `=` is a name with an empty value.
fn split(term: &[u8]) -> (&[u8], &[u8]) {
    let at = memchr::memchr(b'=', term).unwrap_or(term.len());
    (term.get(..at).unwrap_or_default(), term.get(at + 1..).unwrap_or_default())
}

/// A name or value of a query as forms write them: `+` is a space, escapes are decoded once, and a `%` that begins none
/// stays (WHATWG URL, section 5.1).
fn unquoted(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'+', b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (byte, tail) {
            (b'+', _) => out.push(b' '),
            (b'%', [high, low, behind @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    rest = behind;
                }
                _ => out.push(b'%'),
            },
            _ => out.push(*byte),
        }
    }
    Cow::Owned(out)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_decoded_as_forms_write_them() {
        for (written, meant) in [
            ("a+b", "a b"),
            ("%41%2bb", "A+b"),
            ("100%", "100%"),
            ("%zz%4", "%zz%4"),
            ("%%41", "%A"),
            ("%2541", "%41"),
            ("plain", "plain"),
        ] {
            assert_eq!(*unquoted(written.as_bytes()), *meant.as_bytes(), "{written}");
        }
    }
}
