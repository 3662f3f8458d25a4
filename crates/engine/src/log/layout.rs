//! How a line of the access log looks: compiled once from the snapshot, then followed for each exchange.

use tidegate_core::snapshot::document::{AccessLog, LogLine, LogPiece, LogSyslog};

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
    field: Field,
    is_text: bool,
}

#[derive(Debug)]
enum Piece {
    Literal(Box<[u8]>),
    Field(Field),
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
            LogLine::Json(names) if names.iter().eq(Field::usual().map(|field| field.about().name)) => Body::Usual,
            LogLine::Json(names) => Body::Json(names.iter().map(|name| member(name)).collect::<Result<_, _>>()?),
            LogLine::Words(pieces) => Body::Words(pieces.iter().map(piece).collect::<Result<_, _>>()?),
        };
        Ok(Self { header: document.syslog.as_ref().map(header), body })
    }

    /// One JSON object a line, with the usual fields.
    pub fn usual() -> Self {
        Self { header: None, body: Body::Usual }
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

fn member(name: &str) -> Result<Member, String> {
    named(name).map(member_of)
}

fn member_of(field: Field) -> Member {
    let about = field.about();
    let is_text = about.kind == "string";
    let quote = if is_text { "\"" } else { "" };
    Member { key: format!(",\"{}\":{quote}", about.name).into_bytes().into(), field, is_text }
}

fn piece(written: &LogPiece) -> Result<Piece, String> {
    Ok(match written {
        LogPiece::Literal(text) => Piece::Literal(text.as_bytes().into()),
        LogPiece::Field(name) => Piece::Field(named(name)?),
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
        let value = record.value(member.field);
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
            Piece::Field(field) => match record.value(*field) {
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
