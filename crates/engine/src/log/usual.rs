//! The line of JSON with the usual fields, written out by hand: most logs have it, and going through a list of fields
//! costs more than the line itself. A test compares it with what the list gives.

use tidegate_core::head::Version;

use super::append::{escaped, number, seconds};
use super::clock::Clock;
use super::record::Record;

/// Appends the line, without its end.
pub(super) fn append(out: &mut Vec<u8>, clock: &mut Clock, record: &Record<'_>) {
    out.extend_from_slice(b"{\"time\":\"");
    clock.append(out, record.time_unix_ns);
    out.push(b'"');
    optional(out, b",\"request_id\":\"", record.request_id);
    string(out, b",\"client\":\"", record.client.as_bytes());
    string(out, b",\"listener\":\"", record.listener.as_bytes());
    optional(out, b",\"route\":\"", record.route.as_bytes());
    optional(out, b",\"upstream\":\"", record.upstream.as_bytes());
    optional(out, b",\"endpoint\":\"", record.endpoint.as_bytes());
    match &record.layer4 {
        Some(layer4) => {
            optional(out, b",\"protocol\":\"", layer4.protocol.as_bytes());
            optional(out, b",\"sni\":\"", layer4.server_name);
            if let Some((datagrams_in, datagrams_out)) = layer4.datagrams {
                out.extend_from_slice(b",\"datagrams_in\":");
                number(out, datagrams_in);
                out.extend_from_slice(b",\"datagrams_out\":");
                number(out, datagrams_out);
            }
            optional(out, b",\"host\":\"", record.host);
        }
        None => {
            string(out, b",\"method\":\"", record.method);
            optional(out, b",\"host\":\"", record.host);
            string(out, b",\"path\":\"", record.path);
            out.extend_from_slice(match record.version {
                Version::Http10 => b",\"version\":\"1.0\",\"status\":",
                Version::Http11 => b",\"version\":\"1.1\",\"status\":",
                Version::Http2 => b",\"version\":\"2.0\",\"status\":",
            });
            number(out, record.status.into());
        }
    }
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
        optional(out, b",\"tries\":\"", record.tries.as_bytes());
    }
    if record.attempts > 0 && record.layer4.is_none() {
        out.extend_from_slice(if record.reused { b",\"reused\":true" } else { b",\"reused\":false" });
    }
    optional(out, b",\"user_agent\":\"", record.user_agent);
    optional(out, b",\"referer\":\"", record.referer);
    if let Some(failure) = record.failure {
        string(out, b",\"failure\":\"", failure.kind.name().as_bytes());
        string(out, b",\"stage\":\"", failure.stage.name().as_bytes());
        string(out, b",\"reason\":\"", failure.reason.as_bytes());
    }
    out.push(b'}');
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
