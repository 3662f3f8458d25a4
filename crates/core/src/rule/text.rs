//! What gives a text. Mostly it is borrowed: from the request, or from the expression itself.

use std::borrow::Cow;
use std::net::IpAddr;

use super::MOST_LEVELS;
use super::repeated::Repeated;
use super::subject::Subject;
use crate::failure::Kind;
use crate::snapshot::document::{self, Word};

/// A compiled text: a key, a hole of a template, one side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// The text itself.
    Literal(Box<[u8]>),
    /// A word of the vocabulary.
    Word(Word),
    /// What may stand there several times.
    Joined(Repeated),
    /// One behind the other.
    Sum(Box<[Text]>),
    /// In lower case.
    Lower(Box<Text>),
}

impl Text {
    /// Compiles. Fails where it is deeper than any that Python writes.
    pub fn compile(written: &document::Text) -> Result<Self, String> {
        Self::compile_at(written, 0)
    }

    pub(super) fn compile_at(written: &document::Text, level: usize) -> Result<Self, String> {
        if level >= MOST_LEVELS {
            return Err(format!("an expression is more than {MOST_LEVELS} levels deep"));
        }
        Ok(match written {
            document::Text::Literal(text) => Self::Literal(text.as_bytes().into()),
            document::Text::Word(word) => Self::Word(*word),
            document::Text::Joined(repeated) => Self::Joined(Repeated::compile(repeated)),
            document::Text::Sum(texts) => {
                Self::Sum(texts.iter().map(|text| Self::compile_at(text, level + 1)).collect::<Result<_, _>>()?)
            }
            document::Text::Lower(text) => Self::Lower(Box::new(Self::compile_at(text, level + 1)?)),
        })
    }

    /// The text for this request.
    pub fn read<'s>(&'s self, subject: &Subject<'s>) -> Cow<'s, [u8]> {
        match self {
            Self::Literal(text) => Cow::Borrowed(text),
            Self::Word(word) => read_word(*word, subject),
            Self::Joined(repeated) => repeated.joined(subject),
            Self::Sum(texts) => {
                let mut all = Vec::new();
                for text in texts {
                    all.extend_from_slice(&text.read(subject));
                }
                Cow::Owned(all)
            }
            Self::Lower(text) => lower(text.read(subject)),
        }
    }
}

fn read_word<'s>(word: Word, subject: &Subject<'s>) -> Cow<'s, [u8]> {
    match word {
        Word::RequestMethod => Cow::Borrowed(subject.head.method_span.of(subject.bytes)),
        Word::RequestScheme => Cow::Borrowed(subject.scheme().as_bytes()),
        Word::RequestHost => subject.host(),
        Word::RequestPath => subject.path(),
        Word::RequestQuery => Cow::Borrowed(subject.query()),
        Word::RequestUri => subject.uri(),
        Word::RequestId => Cow::Borrowed(subject.told.request_id.as_bytes()),
        Word::ClientIp => match subject.client() {
            client if client == subject.peer.ip() => Cow::Borrowed(subject.peer.ip_text()),
            client => client.map(|address: IpAddr| Cow::Owned(address.to_string().into_bytes())).unwrap_or_default(),
        },
        Word::ClientPort => Cow::Owned(subject.client_port().to_string().into_bytes()),
        Word::ClientCountry => Cow::Borrowed(subject.country().as_bytes()),
        Word::ClientContinent => Cow::Borrowed(subject.continent().as_bytes()),
        Word::ClientAsn => Cow::Owned(subject.asn().to_string().into_bytes()),
        Word::Listener => Cow::Borrowed(subject.listener.as_bytes()),
        Word::ResponseStatus => Cow::Owned(subject.answer.map_or(0, |answer| answer.status).to_string().into_bytes()),
        Word::ResponseDuration => {
            let seconds = subject.answer.map_or(0.0, |answer| answer.duration.as_secs_f64());
            Cow::Owned(format!("{seconds:.6}").into_bytes())
        }
        Word::Failure => {
            Cow::Borrowed(subject.answer.and_then(|answer| answer.failure).map_or("", Kind::name).as_bytes())
        }
    }
}

/// In lower case as Unicode has it; bytes that are no UTF-8 stay as they are.
fn lower(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        if !text.iter().any(u8::is_ascii_uppercase) {
            return text;
        }
        let mut text = text.into_owned();
        text.make_ascii_lowercase();
        return Cow::Owned(text);
    }
    let mut out = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        out.extend_from_slice(chunk.valid().to_lowercase().as_bytes());
        out.extend_from_slice(chunk.invalid());
    }
    Cow::Owned(out)
}
