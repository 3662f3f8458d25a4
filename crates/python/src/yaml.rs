//! YAML 1.2 with positions, as plain tuples for `tidegate.config.tree`. In Rust because a parser in Python took 6.3 s
//! for 10,000 hosts; what the values mean is decided in Python.
//!
//! A node is `(kind, value, line, column, end_line, end_column, text)`. Lines and columns count from 1, in characters;
//! the end is exclusive. `kind` is one of
//! - `plain`: a scalar without quotes, `value` by the core schema (YAML 1.2.2, section 10.3.2), `text` as written;
//! - `quoted`: a string in quotes or a block, `text` is none;
//! - `secret`: a scalar with the tag `!secret`, `value` is its text;
//! - `map`: `value` is a list of `((name, line, column, end_column), node)`;
//! - `list`: `value` is a list of nodes.
//!
//! An alias is the very node that its anchor names, so that its place is where a person can mend it.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, Tag};

/// Mappings and lists inside each other; a configuration needs a dozen.
const MOST_LEVELS: usize = 64;
/// Nodes that aliases may add, all together ("billion laughs").
const MOST_ALIASED: usize = 100_000;

/// `(line, column, width, says, hint)`, in the words that a person reads.
type Fault = (usize, usize, usize, String, String);

/// Parses `text`, one YAML 1.2 document, and returns its tree and what is wrong with it.
///
/// The tree is none when the document is empty, or broken at a place where nothing after it can be told. Keys that
/// stand twice do not break it: the first one stays.
#[pyfunction]
pub(crate) fn parse_yaml<'py>(py: Python<'py>, text: &str) -> PyResult<(Option<Bound<'py, PyAny>>, Vec<Fault>)> {
    // The parser is a stranger's code on a person's file: if it panics, that is one more thing to say about the file.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut builder =
            Builder { py, frames: Vec::new(), anchors: HashMap::new(), aliased: 0, faults: Vec::new(), root: None };
        let stopped = builder.read(text);
        (builder, stopped)
    }));
    let Ok((builder, stopped)) = outcome else {
        return Ok((
            None,
            vec![(1, 1, 1, "this is not valid YAML, in a way that the parser cannot place".into(), String::new())],
        ));
    };
    let mut faults = builder.faults;
    match stopped {
        Ok(()) => Ok((builder.root, faults)),
        Err(Stop::Fault(fault)) => {
            faults.push(fault);
            Ok((None, faults))
        }
        Err(Stop::Python(error)) => Err(error),
    }
}

/// Why reading ended early.
enum Stop {
    /// Something is wrong with the document.
    Fault(Fault),
    /// Python could not make an object.
    Python(PyErr),
}

impl From<PyErr> for Stop {
    fn from(error: PyErr) -> Self {
        Stop::Python(error)
    }
}

/// A finished node, and what an alias of it would cost.
#[derive(Clone)]
struct Built<'py> {
    node: Bound<'py, PyAny>,
    nodes: usize,
    levels: usize,
}

/// A mapping or a list that is being read.
struct Frame<'py> {
    anchor: usize,
    start: Marker,
    nodes: usize,
    levels: usize,
    holds: Holds<'py>,
}

enum Holds<'py> {
    List(Vec<Bound<'py, PyAny>>),
    Map { entries: Vec<Bound<'py, PyTuple>>, seen: HashMap<String, Marker>, key: Option<Key> },
}

/// A key that waits for its value.
struct Key {
    name: String,
    span: Span,
    /// It stands there for the second time: its value is read and dropped.
    repeated: bool,
}

struct Builder<'py> {
    py: Python<'py>,
    frames: Vec<Frame<'py>>,
    anchors: HashMap<usize, Built<'py>>,
    aliased: usize,
    faults: Vec<Fault>,
    root: Option<Bound<'py, PyAny>>,
}

impl<'py> Builder<'py> {
    fn read(&mut self, text: &str) -> Result<(), Stop> {
        let mut documents = 0_usize;
        for step in Parser::new_from_str(text) {
            let (event, span) = step.map_err(|error| Stop::Fault(explain(text, &error)))?;
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(fault(span.start, 3, "a second document begins here, and one file holds one", ""));
                    }
                }
                Event::Scalar(value, style, anchor, tag) => self.scalar(&value, style, anchor, tag.as_deref(), span)?,
                Event::Alias(anchor) => self.alias(anchor, span)?,
                Event::SequenceStart(anchor, tag) => {
                    self.open(anchor, tag.as_deref(), span, Holds::List(Vec::new()))?;
                }
                Event::MappingStart(anchor, tag) => {
                    let holds = Holds::Map { entries: Vec::new(), seen: HashMap::new(), key: None };
                    self.open(anchor, tag.as_deref(), span, holds)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        value: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<(), Stop> {
        if self.awaits_key() {
            return self.key(value, style, tag, span);
        }
        let py = self.py;
        let text = PyString::new(py, value).into_any();
        let none = py.None().into_bound(py);
        let (kind, value, text) = match tag.map(|tag| (tag.handle.as_str(), tag.suffix.as_str())) {
            Some(("!", "secret")) => (intern!(py, "secret"), text, none),
            // `! text` and `!!str text` say that it is a string.
            Some(("!" | "", "" | "!") | ("tag:yaml.org,2002:", "str")) => (intern!(py, "quoted"), text, none),
            Some(_) => return Err(unknown_tag(tag, span)),
            None if style == ScalarStyle::Plain => {
                let resolved = resolve(py, value)?.unwrap_or_else(|| text.clone());
                (intern!(py, "plain"), resolved, text)
            }
            None => (intern!(py, "quoted"), text, none),
        };
        let node = self.node(kind.as_any(), &value, span.start, span.end, &text)?;
        self.add(Built { node, nodes: 1, levels: 0 }, anchor)
    }

    fn key(&mut self, value: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Result<(), Stop> {
        if tag.is_some() {
            return Err(unknown_tag(tag, span));
        }
        if value == "<<" && style == ScalarStyle::Plain {
            let says = "merge keys (`<<`) are not part of YAML 1.2 and not read: nothing is inherited silently";
            return Err(fault(span.start, 2, says, "write the keys out"));
        }
        if value.is_empty() {
            return Err(fault(span.start, 1, "a key is missing here", "write `name: value`"));
        }
        let Some(Frame { holds: Holds::Map { seen, key, .. }, .. }) = self.frames.last_mut() else { return Ok(()) };
        let first = seen.get(value).copied();
        *key = Some(Key { name: value.to_owned(), span, repeated: first.is_some() });
        if let Some(first) = first {
            let says = format!(
                "the key `{value}` stands here twice; the first is at line {}, column {}",
                first.line(),
                first.col() + 1
            );
            self.faults.push((span.start.line(), span.start.col() + 1, width(span), says, String::new()));
        } else {
            seen.insert(value.to_owned(), span.start);
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Stop> {
        if self.awaits_key() {
            return Err(fault(span.start, width(span), "an alias cannot be a key", "write the key out"));
        }
        let Some(built) = self.anchors.get(&anchor).cloned() else {
            return Err(fault(span.start, width(span), "this alias stands inside of what it names", ""));
        };
        self.aliased = self.aliased.saturating_add(built.nodes);
        if self.aliased > MOST_ALIASED {
            let says = format!("aliases make more than {MOST_ALIASED} values of this file");
            return Err(fault(span.start, width(span), says, ""));
        }
        if self.frames.len() + built.levels > MOST_LEVELS {
            return Err(too_deep(span.start));
        }
        self.add(built, 0)
    }

    fn open(&mut self, anchor: usize, tag: Option<&Tag>, span: Span, holds: Holds<'py>) -> Result<(), Stop> {
        if self.awaits_key() {
            let says = "a key must be text, and this one is a mapping or a list";
            return Err(fault(span.start, 1, says, "a template such as ${NAME} needs quotes here"));
        }
        let plain = match tag.map(|tag| (tag.handle.as_str(), tag.suffix.as_str())) {
            None | Some(("tag:yaml.org,2002:", "map" | "seq")) => true,
            Some(_) => false,
        };
        if !plain {
            return Err(unknown_tag(tag, span));
        }
        if self.frames.len() >= MOST_LEVELS {
            return Err(too_deep(span.start));
        }
        self.frames.push(Frame { anchor, start: span.start, nodes: 1, levels: 1, holds });
        Ok(())
    }

    fn close(&mut self, span: Span) -> Result<(), Stop> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let py = self.py;
        let (kind, value) = match frame.holds {
            Holds::List(items) => (intern!(py, "list"), PyList::new(py, items)?),
            Holds::Map { entries, .. } => (intern!(py, "map"), PyList::new(py, entries)?),
        };
        let none = py.None().into_bound(py);
        let node = self.node(kind.as_any(), value.as_any(), frame.start, span.end, &none)?;
        self.add(Built { node, nodes: frame.nodes, levels: frame.levels }, frame.anchor)
    }

    /// Puts a finished node where it belongs, and keeps it when it has an anchor.
    fn add(&mut self, built: Built<'py>, anchor: usize) -> Result<(), Stop> {
        let py = self.py;
        if anchor > 0 {
            self.anchors.insert(anchor, built.clone());
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(built.node);
            return Ok(());
        };
        frame.nodes = frame.nodes.saturating_add(built.nodes);
        frame.levels = frame.levels.max(built.levels + 1);
        match &mut frame.holds {
            Holds::List(items) => items.push(built.node),
            Holds::Map { entries, key, .. } => {
                let Some(Key { name, span, repeated }) = key.take() else { return Ok(()) };
                if !repeated {
                    let key = (name, span.start.line(), span.start.col() + 1, span.start.col() + 1 + width(span));
                    entries.push((key, built.node).into_pyobject(py)?);
                }
            }
        }
        Ok(())
    }

    fn awaits_key(&self) -> bool {
        matches!(self.frames.last(), Some(Frame { holds: Holds::Map { key: None, .. }, .. }))
    }

    fn node(
        &self,
        kind: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
        start: Marker,
        end: Marker,
        text: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let tuple = (kind, value, start.line(), start.col() + 1, end.line(), end.col() + 1, text);
        Ok(tuple.into_pyobject(self.py)?.into_any())
    }
}

/// What a plain scalar is by the core schema, or none where it is a string.
fn resolve<'py>(py: Python<'py>, text: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Some(py.None().into_bound(py)),
        "true" | "True" | "TRUE" => Some(true.into_pyobject(py)?.to_owned().into_any()),
        "false" | "False" | "FALSE" => Some(false.into_pyobject(py)?.to_owned().into_any()),
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN.into_pyobject(py)?.into_any()),
        _ => match number(text) {
            Some(Number::Whole(whole)) => Some(whole.into_pyobject(py)?.into_any()),
            Some(Number::Real(real)) => Some(real.into_pyobject(py)?.into_any()),
            None => None,
        },
    })
}

enum Number {
    Whole(i128),
    Real(f64),
}

fn number(text: &str) -> Option<Number> {
    if let Some(digits) = text.strip_prefix("0o") {
        return digits_only(digits, 8).then(|| i128::from_str_radix(digits, 8).ok().map(Number::Whole))?;
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return digits_only(digits, 16).then(|| i128::from_str_radix(digits, 16).ok().map(Number::Whole))?;
    }
    let (sign, body) = match text.as_bytes().first()? {
        b'-' => (-1.0, text.get(1..)?),
        b'+' => (1.0, text.get(1..)?),
        _ => (1.0, text),
    };
    if matches!(body, ".inf" | ".Inf" | ".INF") {
        return Some(Number::Real(sign * f64::INFINITY));
    }
    if digits_only(body, 10) {
        // What no register holds is still a number, and too large for every field.
        return text.parse().map(Number::Whole).or_else(|_| text.parse().map(Number::Real)).ok();
    }
    // [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    let exponent_fits =
        exponent.is_none_or(|exponent| digits_only(exponent.strip_prefix(['-', '+']).unwrap_or(exponent), 10));
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => digits_only(fraction, 10),
        Some((whole, fraction)) => digits_only(whole, 10) && (fraction.is_empty() || digits_only(fraction, 10)),
        None => digits_only(mantissa, 10),
    };
    (exponent_fits && mantissa_fits).then(|| text.parse().ok().map(Number::Real))?
}

fn digits_only(text: &str, radix: u32) -> bool {
    !text.is_empty() && text.chars().all(|letter| letter.is_digit(radix))
}

fn fault(at: Marker, width: usize, says: impl Into<String>, hint: &str) -> Stop {
    Stop::Fault((at.line(), at.col() + 1, width.max(1), says.into(), hint.to_owned()))
}

fn too_deep(at: Marker) -> Stop {
    fault(at, 1, format!("mappings and lists stand inside each other more than {MOST_LEVELS} levels deep here"), "")
}

fn unknown_tag(tag: Option<&Tag>, span: Span) -> Stop {
    let shown = match tag {
        Some(tag) if tag.is_yaml_core_schema() => format!("!!{}", tag.suffix),
        Some(tag) => format!("{}{}", tag.handle, tag.suffix),
        None => String::new(),
    };
    let says = format!("the tag `{shown}` means nothing here; the only one is `!secret`, on a value");
    fault(span.start, shown.chars().count(), says, "")
}

/// Columns from start to end, as far as they are on one line.
fn width(span: Span) -> usize {
    if span.start.line() == span.end.line() { span.end.col().saturating_sub(span.start.col()).max(1) } else { 1 }
}

/// The parser's complaint in words that help.
fn explain(text: &str, error: &ScanError) -> Fault {
    let (line, column) = (error.marker().line(), error.marker().col() + 1);
    let row = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let here: String = row.chars().skip(column - 1).collect();
    let word = here.find([' ', ',', ']', '}']).and_then(|end| here.get(..end)).unwrap_or(&here);
    let wide = word.chars().count().max(1);
    let info = error.info();
    if info.contains("unknown anchor") || (info.contains("anchor or alias") && here.starts_with('*')) {
        let name = word.trim_start_matches('*');
        let says = format!("`*` begins an alias in YAML, and no anchor is named `{name}`");
        return (line, column, wide, says, format!("quote it: \"{word}\""));
    }
    let tabbed = |row: &str| row.chars().take_while(|letter| letter.is_whitespace()).position(|letter| letter == '\t');
    let before = text.lines().take(line).enumerate().skip(line.saturating_sub(2));
    let tab = before.filter_map(|(at, row)| Some((at + 1, tabbed(row)? + 1))).last();
    if let (Some((line, column)), true) = (tab, info.contains("tab") || info.contains("indent") || info.contains("key"))
    {
        return (line, column, 1, "a tab in the indentation: YAML indents with spaces only".into(), String::new());
    }
    let (reason, hint) = match info {
        _ if info.contains("tab") => ("a tab stands where only spaces may", "use spaces"),
        _ if info.contains("byte order mark") => ("a byte order mark inside of the file", "delete it"),
        _ if info.contains("unprintable") => ("a character that cannot be printed", "delete it"),
        _ if info.contains("recursion limit") => ("brackets stand inside each other too deep", ""),
        _ if info.contains("unexpected character") => {
            let letter = here.chars().next().unwrap_or(' ');
            let shown = if letter == '`' { "a backquote".to_owned() } else { format!("`{letter}`") };
            return (line, column, 1, format!("no value can begin with {shown}"), format!("quote it: \"{word}\""));
        }
        _ if info.contains("in flow construct") => {
            ("a `{` or `[` above is still open here", "close it, or indent what belongs to it")
        }
        _ if info.contains("in quoted scalar") => ("the quote that opens here is not closed before the next key", ""),
        _ if info.contains("mapping values are not allowed") => {
            ("a `: ` stands inside of a value that is already text", "quote the value, or begin a new line for a key")
        }
        _ if info.contains("end of stream") => ("the quote that opens here is never closed", ""),
        _ if info.contains("unknown escape") => {
            ("`\\` begins an escape in double quotes, and this is none", "use 'single quotes'")
        }
        _ if info.contains("expected ',' or '}'") && text.contains("${") => {
            ("this mapping in `{ }` lacks a `,` or its `}` before this place", "a `${NAME}` inside of { } needs quotes")
        }
        _ if info.contains("expected ',' or '}'") => {
            ("this mapping in `{ }` lacks a `,` or its `}` before this place", "")
        }
        _ if info.contains("expected ',' or ']'") => {
            ("this list in `[ ]` lacks a `,` or its `]` before this place", "")
        }
        _ if info.contains("misplaced bracket") => ("this bracket closes nothing", ""),
        _ if info.contains("expected '-' indicator") => ("an entry of this list must begin with `- `, and line up", ""),
        _ if info.contains("did not find expected key") => {
            ("a `name: value` was expected here; check the indentation", "")
        }
        _ if info.contains("simple key expect ':'") || info.contains("simple key expected") => {
            ("a key lacks its `:`", "write `name: value`")
        }
        _ if info.contains("indent") => ("the indentation fits nothing above it", ""),
        _ if info.contains("trailing content") => ("text follows the closing quote", "quote the whole value"),
        _ if info.contains("handle wasn't declared") => ("this tag means nothing here; the only one is `!secret`", ""),
        _ => {
            return (line, column, wide, format!("this is not valid YAML: {info}"), String::new());
        }
    };
    (line, column, 1, reason.to_owned(), hint.to_owned())
}
