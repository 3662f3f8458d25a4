//! How a line of the access log looks: compiled once from the snapshot, then followed for each exchange.

use tidegate_core::rule::Text;
use tidegate_core::snapshot::document::{AccessLog, LogLine, LogMember, LogPiece, LogSyslog};

use super::append::{escaped, number, plain, seconds};
use super::clock::{Clock, common};
use super::fields::Field;
use super::record::{Record, Value};
use super::usual;

/// How a line looks.
#[derive(Debug)]
pub struct Layout {
    /// What stands before each line, where that is a message of syslog.
    header: Option<Header>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// JSON with the usual fields.
    Usual,
    Json(Vec<Member>),
    Words(Vec<Piece>),
}

/// A member of the object: its key with all that stands around it.
#[derive(Debug)]
struct Member {
    key: Box<[u8]>,
    source: Source,
    is_text: bool,
}

/// Where a value comes from.
#[derive(Debug)]
enum Source {
    Field(Field),
    Text(Text),
}

#[derive(Debug)]
enum Piece {
    Literal(Box<[u8]>),
    Value(Source),
}

/// What stands before and after the time in the header of a message (RFC 5424, section 6.2).
#[derive(Debug)]
struct Header {
    before_time: Box<[u8]>,
    after_time: Box<[u8]>,
}

impl Layout {
    /// Compiles what the snapshot says. Fails with a sentence.
    pub fn compile(document: &AccessLog) -> Result<Self, String> {
        let body = match &document.line {
            LogLine::Json(members) if is_usual(members) => Body::Usual,
            LogLine::Json(members) => Body::Json(members.iter().map(member).collect::<Result<_, _>>()?),
            LogLine::Words(pieces) => Body::Words(pieces.iter().map(piece).collect::<Result<_, _>>()?),
        };
        Ok(Self { header: document.syslog.as_ref().map(header), body })
    }

    /// One JSON object a line, with the usual fields.
    pub fn usual() -> Self {
        Self { header: None, body: Body::Usual }
    }

    /// Whether it has words of expressions.
    pub(super) fn reads_words(&self) -> bool {
        let is_text = |source: &Source| matches!(source, Source::Text(_));
        match &self.body {
            Body::Usual => false,
            Body::Json(members) => members.iter().any(|member| is_text(&member.source)),
            Body::Words(pieces) => pieces.iter().any(|piece| matches!(piece, Piece::Value(source) if is_text(source))),
        }
    }

    /// The line for `record` with its end, for whoever has one alone.
    pub fn line(&self, record: &Record<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        self.append(&mut out, &mut Clock::default(), record);
        out
    }

    /// Appends the line for `record`, with its end.
    pub(super) fn append(&self, out: &mut Vec<u8>, clock: &mut Clock, record: &Record<'_>) {
        if let Some(header) = &self.header {
            out.extend_from_slice(&header.before_time);
            clock.append(out, record.time_unix_ns);
            out.extend_from_slice(&header.after_time);
        }
        match &self.body {
            Body::Usual => usual::append(out, clock, record),
            Body::Json(members) => json(out, clock, members, record),
            Body::Words(pieces) => words(out, clock, pieces, record),
        }
        out.push(b'\n');
    }
}

fn is_usual(members: &[LogMember]) -> bool {
    let names = members.iter().map(|member| match member {
        LogMember::Field(name) => Some(name.as_str()),
        LogMember::Text { .. } => None,
    });
    names.eq(Field::usual().map(|field| Some(field.about().name)))
}

fn member(written: &LogMember) -> Result<Member, String> {
    match written {
        LogMember::Field(name) => named(name).map(member_of),
        LogMember::Text { key, text } => {
            let mut start = b",\"".to_vec();
            escaped(&mut start, key.as_bytes());
            start.extend_from_slice(b"\":\"");
            Ok(Member { key: start.into(), source: Source::Text(Text::compile(text)?), is_text: true })
        }
    }
}

fn member_of(field: Field) -> Member {
    let about = field.about();
    let is_text = about.kind == "string";
    let quote = if is_text { "\"" } else { "" };
    Member { key: format!(",\"{}\":{quote}", about.name).into_bytes().into(), source: Source::Field(field), is_text }
}

fn piece(written: &LogPiece) -> Result<Piece, String> {
    Ok(match written {
        LogPiece::Literal(text) => Piece::Literal(text.as_bytes().into()),
        LogPiece::Field(name) => Piece::Value(Source::Field(named(name)?)),
        LogPiece::Text(text) => Piece::Value(Source::Text(Text::compile(text)?)),
    })
}

fn named(name: &str) -> Result<Field, String> {
    Field::named(name).ok_or_else(|| format!("access_log: there is no field `{name}`"))
}

fn header(syslog: &LogSyslog) -> Header {
    let LogSyslog { priority, app } = syslog;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host.chars().filter(char::is_ascii_graphic).take(255).collect();
    let host = if host.is_empty() { "-" } else { &host };
    Header {
        before_time: format!("<{priority}>1 ").into_bytes().into(),
        after_time: format!(" {host} {app} {} access - ", std::process::id()).into_bytes().into(),
    }
}

fn json(out: &mut Vec<u8>, clock: &mut Clock, members: &[Member], record: &Record<'_>) {
    let start = out.len();
    for member in members {
        let value = match &member.source {
            Source::Field(field) => record.value(*field),
            Source::Text(text) => {
                let says = record.subject.as_ref().map(|subject| text.read(subject)).unwrap_or_default();
                if !says.is_empty() {
                    out.extend_from_slice(&member.key);
                    escaped(out, &says);
                    out.push(b'"');
                }
                continue;
            }
        };
        if value == Value::Nothing {
            continue;
        }
        out.extend_from_slice(&member.key);
        match value {
            Value::Text(text) => escaped(out, text),
            Value::Number(n) => number(out, n),
            Value::Seconds(nanos) => seconds(out, nanos),
            Value::Time(nanos) => clock.append(out, nanos),
            Value::TimeCommon(nanos) => common(out, nanos),
            Value::Flag(yes) => out.extend_from_slice(if yes { b"true" } else { b"false" }),
            Value::Nothing => {}
        }
        if member.is_text {
            out.push(b'"');
        }
    }
    match out.get_mut(start) {
        Some(comma) => *comma = b'{',
        None => out.push(b'{'),
    }
    out.push(b'}');
}

/// A value that there is none of is `-`, as in the common log format.
fn words(out: &mut Vec<u8>, clock: &mut Clock, pieces: &[Piece], record: &Record<'_>) {
    for piece in pieces {
        match piece {
            Piece::Literal(text) => out.extend_from_slice(text),
            Piece::Value(Source::Text(text)) => {
                let says = record.subject.as_ref().map(|subject| text.read(subject)).unwrap_or_default();
                plain(out, if says.is_empty() { b"-" } else { &says });
            }
            Piece::Value(Source::Field(field)) => match record.value(*field) {
                Value::Nothing | Value::Text(b"") => out.push(b'-'),
                Value::Text(text) => plain(out, text),
                Value::Number(n) => number(out, n),
                Value::Seconds(nanos) => seconds(out, nanos),
                Value::Time(nanos) => clock.append(out, nanos),
                Value::TimeCommon(nanos) => common(out, nanos),
                Value::Flag(yes) => out.extend_from_slice(if yes { b"true" } else { b"false" }),
            },
        }
    }
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
