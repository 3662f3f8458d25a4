//! The access log, a thread's side: a line of JSON for each exchange, appended by hand to a buffer of the thread.

use std::cell::RefCell;
use std::rc::Rc;

use tidegate_core::failure::Failure;
use tidegate_core::head::Version;

use super::append::{Clock, escaped, number, seconds};
use super::writer::{Lines, LogWriter};

/// A buffer that holds more is handed over at once.
const FULL: usize = 32 * 1024;

/// What is logged of one exchange; `fields::FIELDS` says what each means. An empty string is nothing to say.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Wall clock at the end of the exchange, in nanoseconds since 1970.
    pub time_unix_ns: u64,
    /// Who asked.
    pub client: &'a str,
    /// The listener's name.
    pub listener: &'a str,
    /// The route's name.
    pub route: &'a str,
    /// The upstream's name.
    pub upstream: &'a str,
    /// The endpoint's address.
    pub endpoint: &'a str,
    /// The method as it was sent.
    pub method: &'a [u8],
    /// The host as it was sent.
    pub host: &'a [u8],
    /// The whole request target as it was sent.
    pub path: &'a [u8],
    /// The request's version.
    pub version: Version,
    /// The status that the client got; 0 where it got none.
    pub status: u16,
    /// Bytes received from the client.
    pub bytes_in: u64,
    /// Bytes sent to the client.
    pub bytes_out: u64,
    /// The whole exchange, in nanoseconds.
    pub duration_ns: u64,
    /// Until the endpoint's first byte, in nanoseconds.
    pub upstream_ns: Option<u64>,
    /// Endpoints and connections tried.
    pub attempts: u8,
    /// Whether the endpoint's connection came from the pool.
    pub reused: bool,
    /// The request's id.
    pub request_id: &'a [u8],
    /// The field `User-Agent`.
    pub user_agent: &'a [u8],
    /// The field `Referer`.
    pub referer: &'a [u8],
    /// Why it failed, if it did.
    pub failure: Option<&'a Failure>,
}

/// A thread's side of the access log. Clones share the buffer.
#[derive(Clone, Debug)]
pub struct AccessLog(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    writer: LogWriter,
    buffer: RefCell<Buffer>,
}

#[derive(Debug, Default)]
struct Buffer {
    lines: Lines,
    clock: Clock,
}

impl AccessLog {
    /// The log for one thread, whose buffers `writer` takes.
    pub fn new(writer: LogWriter) -> Self {
        Self(Rc::new(Inner { writer, buffer: RefCell::default() }))
    }

    /// Whether lines go anywhere; where not, a record need not be made.
    pub fn is_on(&self) -> bool {
        self.0.writer.takes_access_lines()
    }

    /// Appends the line for `record`. Never blocks.
    pub fn write(&self, record: &Record<'_>) {
        if !self.is_on() {
            return;
        }
        let mut buffer = self.0.buffer.borrow_mut();
        let Buffer { lines, clock } = &mut *buffer;
        line(&mut lines.bytes, clock, record);
        lines.count += 1;
        if lines.bytes.len() >= FULL {
            self.0.hand_over(lines);
        }
    }

    /// Hands over what there is. Called when the thread is idle, and at least every 200 ms. Never blocks.
    pub fn flush(&self) {
        self.0.hand_over(&mut self.0.buffer.borrow_mut().lines);
    }
}

impl Inner {
    fn hand_over(&self, lines: &mut Lines) {
        if lines.count > 0 {
            let full = std::mem::replace(lines, Lines { bytes: self.writer.spare_buffer(), count: 0 });
            self.writer.take(full);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let mut lines = std::mem::take(&mut self.buffer.get_mut().lines);
        self.hand_over(&mut lines);
    }
}

/// Appends one line. The keys are those of `fields::FIELDS`, in that order; a test compares them.
fn line(out: &mut Vec<u8>, clock: &mut Clock, record: &Record<'_>) {
    out.extend_from_slice(b"{\"time\":\"");
    clock.append(out, record.time_unix_ns);
    out.push(b'"');
    optional(out, b",\"request_id\":\"", record.request_id);
    string(out, b",\"client\":\"", record.client.as_bytes());
    string(out, b",\"listener\":\"", record.listener.as_bytes());
    optional(out, b",\"route\":\"", record.route.as_bytes());
    optional(out, b",\"upstream\":\"", record.upstream.as_bytes());
    optional(out, b",\"endpoint\":\"", record.endpoint.as_bytes());
    string(out, b",\"method\":\"", record.method);
    optional(out, b",\"host\":\"", record.host);
    string(out, b",\"path\":\"", record.path);
    out.extend_from_slice(match record.version {
        Version::Http10 => b",\"version\":\"1.0\",\"status\":",
        Version::Http11 => b",\"version\":\"1.1\",\"status\":",
    });
    number(out, record.status.into());
    out.extend_from_slice(b",\"bytes_in\":");
    number(out, record.bytes_in);
    out.extend_from_slice(b",\"bytes_out\":");
    number(out, record.bytes_out);
    out.extend_from_slice(b",\"duration\":");
    seconds(out, record.duration_ns);
    if let Some(nanos) = record.upstream_ns {
        out.extend_from_slice(b",\"first_byte\":");
        seconds(out, nanos);
    }
    if record.attempts > 0 {
        out.extend_from_slice(b",\"attempts\":");
        number(out, record.attempts.into());
        out.extend_from_slice(if record.reused { b",\"reused\":true" } else { b",\"reused\":false" });
    }
    optional(out, b",\"user_agent\":\"", record.user_agent);
    optional(out, b",\"referer\":\"", record.referer);
    if let Some(failure) = record.failure {
        string(out, b",\"failure\":\"", failure.kind.name().as_bytes());
        string(out, b",\"stage\":\"", failure.stage.name().as_bytes());
        string(out, b",\"reason\":\"", failure.reason.as_bytes());
    }
    out.extend_from_slice(b"}\n");
}

fn string(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    out.extend_from_slice(key);
    escaped(out, value);
    out.push(b'"');
}

fn optional(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    if !value.is_empty() {
        string(out, key, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use tidegate_core::failure::{Kind, Stage};

    use super::super::fields::FIELDS;
    use super::*;

    fn full(failure: &Failure) -> Record<'_> {
        Record {
            time_unix_ns: 1_798_761_599_500_000_000,
            client: "192.0.2.1",
            listener: "web",
            route: "api",
            upstream: "api",
            endpoint: "127.0.0.1:9001",
            method: b"GET",
            host: b"api.example.com",
            path: b"/v1/\"x\"?y=\xff",
            version: Version::Http11,
            status: 504,
            bytes_in: 120,
            bytes_out: 1200,
            duration_ns: 1_234_567,
            upstream_ns: Some(999_999),
            attempts: 2,
            reused: true,
            request_id: b"0123456789abcdef",
            user_agent: b"curl/8",
            referer: b"https://example.com/",
            failure: Some(failure),
        }
    }

    fn text(record: &Record<'_>) -> String {
        let mut out = Vec::new();
        line(&mut out, &mut Clock::default(), record);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn a_full_line_has_every_field_of_the_table_in_its_order() {
        let failure = Failure::new(Kind::ResponseTimeout, Stage::Exchange, "127.0.0.1:9001 took 60 s");
        let line = text(&full(&failure));
        let mut rest = line.as_str();
        let object: serde_json::Map<String, Value> = serde_json::from_str(&line).expect("a JSON object");
        assert_eq!(object.len(), FIELDS.len());
        for field in FIELDS {
            rest = rest.split_once(&format!("\"{}\":", field.name)).expect(field.name).1;
            let kind = match &object[field.name] {
                Value::String(_) => "string",
                Value::Number(_) => "number",
                Value::Bool(_) => "bool",
                other @ (Value::Null | Value::Array(_) | Value::Object(_)) => panic!("{other} has no place in a line"),
            };
            assert_eq!(kind, field.kind, "{}", field.name);
        }
        assert_eq!(object["path"], "/v1/\"x\"?y=\u{ff}");
        assert_eq!(object["duration"].as_f64(), Some(0.001234));
        assert!(line.ends_with("}\n"));
    }

    #[test]
    fn a_line_about_nothing_has_the_fields_that_every_line_has() {
        let failure = Failure::new(Kind::ClientGone, Stage::Codec, "");
        let nothing = Record {
            request_id: b"",
            route: "",
            upstream: "",
            endpoint: "",
            method: b"",
            host: b"",
            path: b"",
            upstream_ns: None,
            attempts: 0,
            user_agent: b"",
            referer: b"",
            failure: None,
            ..full(&failure)
        };
        let object: serde_json::Map<String, Value> = serde_json::from_str(&text(&nothing)).expect("a JSON object");
        for field in FIELDS {
            assert_eq!(object.contains_key(field.name), field.always, "{}", field.name);
        }
    }
}
