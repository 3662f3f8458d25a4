//! What gives a number, in billionths: whole numbers and fractions of a second compare exactly.

use super::subject::Subject;
use crate::snapshot::document::{self, Word};

const WHOLE: i64 = 1_000_000_000;

/// The number for this request.
pub(super) fn read(number: document::Number, subject: &Subject<'_>) -> i64 {
    match number {
        document::Number::Literal(number) => number,
        document::Number::Word(Word::ClientPort) => i64::from(subject.client_port()) * WHOLE,
        document::Number::Word(Word::ClientAsn) => i64::from(subject.asn()) * WHOLE,
        document::Number::Word(Word::ResponseStatus) => {
            i64::from(subject.answer.map_or(0, |answer| answer.status)) * WHOLE
        }
        document::Number::Word(Word::ResponseDuration) => {
            subject.answer.map_or(0, |answer| i64::try_from(answer.duration.as_nanos()).unwrap_or(i64::MAX))
        }
        document::Number::Word(_) => 0,
    }
}
