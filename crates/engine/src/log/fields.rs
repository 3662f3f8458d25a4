//! The fields of the access log in one table: the order of a line, and `docs/log.md`.

use std::fmt::Write;

use tidegate_core::failure::{Kind, Stage};

/// A field of the access log.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The key in the JSON object.
    pub name: &'static str,
    /// `string`, `number` or `bool`.
    pub kind: &'static str,
    /// The unit of a number, or the form of a string; empty where it has none.
    pub unit: &'static str,
    /// Whether every line has it; else it is left out where there is nothing to say.
    pub always: bool,
    /// One sentence.
    pub says: &'static str,
}

/// Every field, in the order of a line.
pub const FIELDS: &[Field] = &[
    field("time", "string", "RFC 3339, UTC", true, "when the exchange ended"),
    field("request_id", "string", "", false, "the `X-Request-Id` that the endpoint was sent"),
    field(
        "client",
        "string",
        "address",
        true,
        "who asked, as `client.ip`: forwarded fields count where they are believed",
    ),
    field("listener", "string", "", true, "the listener that took the connection"),
    field("route", "string", "", false, "the route that the request took"),
    field("upstream", "string", "", false, "the upstream that the route leads to"),
    field("endpoint", "string", "address", false, "the endpoint that was asked last"),
    field("method", "string", "", true, "the method as it was sent; empty where no head could be read"),
    field("host", "string", "", false, "the host as it was sent"),
    field("path", "string", "", true, "the whole request target as it was sent, with the query"),
    field("version", "string", "", true, "`1.0` or `1.1`"),
    field("status", "number", "", true, "the status that the client got; 0 where it got none"),
    field("bytes_in", "number", "bytes", true, "received from the client, head included"),
    field("bytes_out", "number", "bytes", true, "sent to the client, head included"),
    field("duration", "number", "seconds", true, "from the first byte of the request to the last of the answer"),
    field(
        "first_byte",
        "number",
        "seconds",
        false,
        "from the last byte sent to the endpoint to the first of its answer",
    ),
    field("attempts", "number", "", false, "endpoints and connections tried; left out where none was"),
    field(
        "reused",
        "bool",
        "",
        false,
        "whether the endpoint's connection came from the pool; left out where none was tried",
    ),
    field("user_agent", "string", "", false, "the field `User-Agent`"),
    field("referer", "string", "", false, "the field `Referer`"),
    field("failure", "string", "", false, "what went wrong, one of the kinds below"),
    field("stage", "string", "", false, "where on the road it went wrong, one of the stages below"),
    field("reason", "string", "", false, "why, as a sentence with names and addresses; clients never see it"),
];

const fn field(name: &'static str, kind: &'static str, unit: &'static str, always: bool, says: &'static str) -> Field {
    Field { name, kind, unit, always, says }
}

/// The page `docs/log.md`.
pub fn page() -> String {
    let mut page = String::from(HEAD);
    for Field { name, kind, unit, always, says } in FIELDS {
        let always = if *always { "yes" } else { "" };
        writeln!(page, "| `{name}` | {kind} | {unit} | {always} | {says} |").expect("a string takes all");
    }
    page.push_str(KINDS);
    for kind in Kind::ALL {
        let status = if kind.status() == 0 { "none".to_owned() } else { kind.status().to_string() };
        writeln!(page, "| `{}` | {status} | `{}` | {} |", kind.name(), kind.proxy_status(), kind.says())
            .expect("a string takes all");
    }
    let stages: Vec<String> = Stage::ALL.iter().map(|stage| format!("`{}`", stage.name())).collect();
    writeln!(page, "\n## Stages\n\nIn the order of the road: {}.", stages.join(", ")).expect("a string takes all");
    page
}

const HEAD: &str = "\
# Logs

This page is built from the tables in `crates/engine/src/log/fields.rs` and `crates/core/src/failure.rs` (`make docs`).

## How they are written

A serving thread appends a line to a buffer of its own, and hands the buffer over when it holds 32 KiB or is 200 ms old.
One thread writes. It never waits for a destination longer than the kernel takes for a write to a file: while a disk is
full or nobody reads the pipe, up to 8 MiB of whole lines are kept in memory and tried again every second; what comes
beyond that is dropped and counted (`tidegate_log_lines_dropped_total`). The error is told on the program log, at most
once a minute. Lines are never torn, but where the process ends, or the file is opened anew, in the midst of an error.

SIGUSR1 to the supervisor opens a file anew by its path (rename it first). A file is made with mode 0640 and is only
ever appended to.

## Access log

One JSON object a line. Strings hold what came, with controls escaped; a byte that is no UTF-8 is written as `\\u00XX` of
its value. Fields that are not in every line are left out where there is nothing to say.

| field | type | unit or form | in every line | meaning |
|---|---|---|---|---|
";

const KINDS: &str = "
## Program log

On stderr. As text: time, level and words; as JSON: an object with `time`, `level`, `room` (`supervisor` or `engine`),
`message`, and from the engine `topic`. Of one topic the engine writes at most ten lines in ten seconds; the next line
then says how many were left out. The line `ready` comes whatever the level. A worker that a new supervisor adopted
writes to that supervisor's stdout and stderr, what could not be written meanwhile included.

## Kinds of failures

The status is what the client gets; `none` where the connection is closed without an answer, or the answer has begun.

| kind | status | Proxy-Status | meaning |
|---|---|---|---|
";
