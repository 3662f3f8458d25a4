//! A text as a tree of nodes with their places, and what is wrong with it. Knows nothing of Python, so that it can be
//! fuzzed.

mod scalar; // what a plain scalar is
mod explain; // the parser's complaints in words that help

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};

use explain::explain;
pub(crate) use scalar::Scalar;

/// Mappings and lists inside each other; a configuration needs a dozen.
const MOST_LEVELS: usize = 64;
/// Nodes that aliases may add, all together ("billion laughs").
const MOST_ALIASED: usize = 100_000;

/// `(line, column, width, says, hint)`, in the words that a person reads.
pub(crate) type Fault = (usize, usize, usize, String, String);

/// A value and where it stands. Lines and columns count from 1, in characters; the end is exclusive.
#[derive(Debug)]
pub(crate) struct Node {
    /// What it is.
    pub(crate) value: Value,
    /// Line and column of its first character.
    pub(crate) start: (usize, usize),
    /// Line and column behind its last.
    pub(crate) end: (usize, usize),
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Value {
    /// A scalar without quotes, and as it was written.
    Plain(Scalar, String),
    /// A string in quotes or a block.
    Quoted(String),
    /// A scalar with the tag `!secret`.
    Secret(String),
    /// Keys and their values.
    Map(Vec<(Key, Rc<Node>)>),
    /// Values.
    List(Vec<Rc<Node>>),
}

/// A key of a mapping.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its text.
    pub(crate) name: String,
    /// Line and column of its first character.
    pub(crate) start: (usize, usize),
    /// The column behind its last.
    pub(crate) end_column: usize,
}

/// Reads `text`, one document: its tree and what is wrong with it. There is no tree where the document is empty, or
/// broken at a place where nothing after it can be told. Keys that stand twice do not break it: the first one stays; nor do
/// empty ones, which are left out.
pub(crate) fn read(text: &str) -> (Option<Rc<Node>>, Vec<Fault>) {
    let mut builder = Builder::default();
    match builder.read(text) {
        Ok(()) => (builder.root, builder.faults),
        Err(fault) => {
            builder.faults.push(fault);
            (None, builder.faults)
        }
    }
}

/// A finished node, and what an alias of it would cost.
#[derive(Clone)]
struct Built {
    node: Rc<Node>,
    nodes: usize,
    levels: usize,
}

/// A mapping or a list that is being read.
struct Frame {
    anchor: usize,
    start: Marker,
    nodes: usize,
    levels: usize,
    holds: Holds,
}

enum Holds {
    List(Vec<Rc<Node>>),
    Map { entries: Vec<(Key, Rc<Node>)>, seen: HashMap<String, Marker>, key: Option<Waiting> },
}

/// A key that waits for its value.
struct Waiting {
    key: Key,
    /// It is empty, or stands there for the second time: its value is read and dropped.
    dropped: bool,
}

#[derive(Default)]
struct Builder {
    frames: Vec<Frame>,
    anchors: HashMap<usize, Built>,
    aliased: usize,
    faults: Vec<Fault>,
    root: Option<Rc<Node>>,
}

impl Builder {
    fn read(&mut self, text: &str) -> Result<(), Fault> {
        let mut documents = 0_usize;
        for step in Parser::new_from_str(text) {
            let (event, span) = step.map_err(|error| explain(text, &error))?;
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
                Event::SequenceEnd | Event::MappingEnd => self.close(span),
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
    ) -> Result<(), Fault> {
        if self.awaits_key() {
            return self.key(value, style, tag, span);
        }
        let text = value.to_owned();
        let value = match tag.map(|tag| (tag.handle.as_str(), tag.suffix.as_str())) {
            Some(("!", "secret")) => Value::Secret(text),
            // `! text` and `!!str text` say that it is a string.
            Some(("!" | "", "" | "!") | ("tag:yaml.org,2002:", "str")) => Value::Quoted(text),
            Some(_) => return Err(unknown_tag(tag, span)),
            None if style == ScalarStyle::Plain => Value::Plain(Scalar::of(value), text),
            None => Value::Quoted(text),
        };
        let node = Rc::new(Node { value, start: place(span.start), end: place(span.end) });
        self.add(Built { node, nodes: 1, levels: 0 }, anchor);
        Ok(())
    }

    fn key(&mut self, value: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Result<(), Fault> {
        if tag.is_some() {
            return Err(unknown_tag(tag, span));
        }
        if value == "<<" && style == ScalarStyle::Plain {
            let says = "merge keys (`<<`) are not part of YAML 1.2 and not read: nothing is inherited silently";
            return Err(fault(span.start, 2, says, "write the keys out"));
        }
        let Some(Frame { holds: Holds::Map { seen, key, .. }, .. }) = self.frames.last_mut() else { return Ok(()) };
        let first = seen.get(value).copied();
        let (start, end_column) = (place(span.start), span.start.col() + 1 + width(span));
        let waiting = Key { name: value.to_owned(), start, end_column };
        *key = Some(Waiting { key: waiting, dropped: first.is_some() || value.is_empty() });
        if value.is_empty() {
            self.faults.push(fault(span.start, width(span), "a key is missing here", "write `name: value`"));
        } else if let Some(first) = first {
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

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Fault> {
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
        self.add(built, 0);
        Ok(())
    }

    fn open(&mut self, anchor: usize, tag: Option<&Tag>, span: Span, holds: Holds) -> Result<(), Fault> {
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

    fn close(&mut self, span: Span) {
        let Some(frame) = self.frames.pop() else { return };
        let value = match frame.holds {
            Holds::List(items) => Value::List(items),
            Holds::Map { entries, .. } => Value::Map(entries),
        };
        let node = Rc::new(Node { value, start: place(frame.start), end: place(span.end) });
        self.add(Built { node, nodes: frame.nodes, levels: frame.levels }, frame.anchor);
    }

    /// Puts a finished node where it belongs, and keeps it when it has an anchor.
    fn add(&mut self, built: Built, anchor: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, built.clone());
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(built.node);
            return;
        };
        frame.nodes = frame.nodes.saturating_add(built.nodes);
        frame.levels = frame.levels.max(built.levels + 1);
        match &mut frame.holds {
            Holds::List(items) => items.push(built.node),
            Holds::Map { entries, key, .. } => {
                if let Some(Waiting { key, dropped: false }) = key.take() {
                    entries.push((key, built.node));
                }
            }
        }
    }

    fn awaits_key(&self) -> bool {
        matches!(self.frames.last(), Some(Frame { holds: Holds::Map { key: None, .. }, .. }))
    }
}

/// Line and column, from 1.
fn place(at: Marker) -> (usize, usize) {
    (at.line(), at.col() + 1)
}

fn fault(at: Marker, width: usize, says: impl Into<String>, hint: &str) -> Fault {
    (at.line(), at.col() + 1, width.max(1), says.into(), hint.to_owned())
}

fn too_deep(at: Marker) -> Fault {
    fault(at, 1, format!("mappings and lists stand inside each other more than {MOST_LEVELS} levels deep here"), "")
}

fn unknown_tag(tag: Option<&Tag>, span: Span) -> Fault {
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
