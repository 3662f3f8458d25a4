//! The filters `request_headers` and `response_headers`: fields that are set, added, appended to and removed.
//!
//! Compiled, each name stands once: whether lines that come with it go on, what is appended to the last of them, and
//! which lines follow. So a head is edited while it is written, and no map of its fields is ever made. A value is made of
//! the request as it came; one that is empty makes no line, so `set` with it removes.

use super::lines;
use crate::framing::is_token;
use crate::head::Known;
use crate::rule::{Stand, Subject, Template};
use crate::snapshot::document;

/// Fields that no filter may write, since they say where a message ends, or speak of one connection: two readers could
/// disagree about a message in which one of them is edited. `rewrite.host` is the way to another Host.
pub const FIXED: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "http2-settings",
    "expect",
    "max-forwards",
];

/// The edits of one way, of all filters of a route.
#[derive(Debug, Default)]
pub struct HeaderEdits {
    edits: Vec<Edit>,
    /// Bit n: lines with a name of n bytes are replaced, in bit 63 also those with a longer one.
    lengths: u64,
}

/// What becomes of the lines of one name.
#[derive(Debug)]
struct Edit {
    name: Box<[u8]>,
    /// Whether lines that come with this name go on.
    keeps: bool,
    /// Whether the proxy may write a line with this name itself.
    is_ours: bool,
    /// What is appended to the last line that came.
    tail: Line,
    /// What follows the lines that came.
    lines: Vec<Line>,
}

/// The parts of one value, joined by `, `.
type Line = Vec<Template>;

impl HeaderEdits {
    /// Compiles filters that run in this order. `None` where nothing is edited. Fails on a name that no filter may write,
    /// and on what is no name or no value. `id_field` is the field that carries the request's id.
    pub fn build<'a>(
        filters: impl Iterator<Item = &'a document::HeaderEdits>,
        id_field: Option<&str>,
    ) -> Result<Option<Self>, String> {
        let mut all = Self::default();
        for filter in filters {
            for name in &filter.remove {
                all.edit(name)?.replace_all();
            }
            for (name, value) in &filter.set {
                let edit = all.edit(name)?;
                edit.replace_all();
                edit.lines.push(vec![read_value(name, value)?]);
            }
            for (name, value) in &filter.add {
                all.edit(name)?.lines.push(vec![read_value(name, value)?]);
            }
            for (name, value) in &filter.append {
                let value = read_value(name, value)?;
                let edit = all.edit(name)?;
                match edit.lines.last_mut() {
                    Some(line) => line.push(value),
                    None if edit.keeps => edit.tail.push(value),
                    None => edit.lines.push(vec![value]),
                }
            }
        }
        for edit in &mut all.edits {
            edit.is_ours |= id_field.is_some_and(|field| edit.name.eq_ignore_ascii_case(field.as_bytes()));
            all.lengths |= if edit.keeps { 0 } else { length_bit(&edit.name) };
        }
        Ok((!all.edits.is_empty()).then_some(all))
    }

    fn edit(&mut self, name: &str) -> Result<&mut Edit, String> {
        may_be_written(name)?;
        let at = self.edits.iter().position(|edit| edit.name.eq_ignore_ascii_case(name.as_bytes()));
        let at = at.unwrap_or(self.edits.len());
        if at == self.edits.len() {
            let is_ours = Known::of(name.as_bytes()) != Known::Other;
            let name = name.as_bytes().into();
            self.edits.push(Edit { name, keeps: true, is_ours, tail: Line::new(), lines: Vec::new() });
        }
        self.edits.get_mut(at).ok_or_else(|| "there is no such edit".to_owned())
    }

    /// Whether a line that comes with this name ends here. Any sign counts as a dash: to a reader like CGI the line would
    /// still be there.
    #[inline]
    pub fn replaces(&self, name: &[u8]) -> bool {
        self.lengths & length_bit(name) != 0
            && self.edits.iter().any(|edit| !edit.keeps && is_same_to_cgi(&edit.name, name))
    }

    /// Ends the lines `out[from..]` of a head, of which the proxy wrote those from `ours` on: those of ours that are
    /// replaced leave, and the lines of the filters come. What frames the message is written behind them.
    pub fn finish(&self, out: &mut Vec<u8>, from: usize, ours: usize, subject: &Subject<'_>) {
        for edit in &self.edits {
            if !edit.keeps && (edit.is_ours || from == ours) {
                lines::remove(out, ours, &edit.name);
            }
            let append = |out: &mut Vec<u8>| write_value(out, &edit.tail, subject);
            if !edit.tail.is_empty() && !lines::append(out, from, &edit.name, append) {
                write_line(out, &edit.name, &edit.tail, subject);
            }
            for line in &edit.lines {
                write_line(out, &edit.name, line, subject);
            }
        }
    }
}

impl Edit {
    /// Forgets what comes, and what filters wrote before.
    fn replace_all(&mut self) {
        self.keeps = false;
        self.tail.clear();
        self.lines.clear();
    }
}

/// Whether a filter may write a field of this name; says why not.
pub(super) fn may_be_written(name: &str) -> Result<(), String> {
    if !is_token(name.as_bytes()) {
        return Err(format!("`{}` is no name of a field", name.escape_debug()));
    }
    if FIXED.iter().any(|fixed| is_same_to_cgi(fixed.as_bytes(), name.as_bytes())) {
        return Err(format!("no filter may write `{name}`"));
    }
    Ok(())
}

fn read_value(name: &str, value: &document::Template) -> Result<Template, String> {
    Template::compile(value, Stand::HeaderValue).map_err(|says| format!("the value of `{name}`: {says}"))
}

/// Writes a line, unless its value is empty.
fn write_line(out: &mut Vec<u8>, name: &[u8], line: &Line, subject: &Subject<'_>) {
    let start = out.len();
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    let bare = out.len();
    write_value(out, line, subject);
    if out.len() == bare {
        out.truncate(start);
    } else {
        out.extend_from_slice(b"\r\n");
    }
}

/// Writes the parts that are not empty, with `, ` between them. Blanks around one are not part of a value (RFC 9110,
/// section 5.5).
fn write_value(out: &mut Vec<u8>, line: &Line, subject: &Subject<'_>) {
    let mut joint: &[u8] = b"";
    for part in line {
        let start = out.len();
        out.extend_from_slice(joint);
        let bare = out.len();
        part.write(subject, out);
        let blanks = out.iter().skip(bare).take_while(|byte| is_blank(**byte)).count();
        out.drain(bare..bare + blanks);
        while out.len() > bare && out.last().is_some_and(|byte| is_blank(*byte)) {
            out.pop();
        }
        if out.len() == bare {
            out.truncate(start);
        } else {
            joint = b", ";
        }
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn length_bit(name: &[u8]) -> u64 {
    1 << name.len().min(63)
}

/// Whether a reader that takes every sign for a dash takes both names for one.
fn is_same_to_cgi(one: &[u8], other: &[u8]) -> bool {
    let is_same =
        |(a, b): (&u8, &u8)| a.eq_ignore_ascii_case(b) || (!a.is_ascii_alphanumeric() && !b.is_ascii_alphanumeric());
    one.len() == other.len() && one.iter().zip(other).all(is_same)
}

#[cfg(test)]
#[path = "headers_tests.rs"]
mod tests; // tables of edits, and what no edit can do
