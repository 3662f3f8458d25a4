//! A text with holes in it, written for where it stands.

use super::escape::{self, Stand};
use super::subject::Subject;
use super::text::Text;
use crate::snapshot::document;

/// A compiled template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Box<[Text]>,
    stand: Stand,
}

impl Template {
    /// Compiles for where it will stand. Fails as [`Text::compile`], and where text that is written out cannot stand there.
    pub fn compile(written: &document::Template, stand: Stand) -> Result<Self, String> {
        let mut parts: Vec<Text> = Vec::with_capacity(written.0.len());
        for part in &written.0 {
            match (Text::compile(part)?, parts.last_mut()) {
                (Text::Literal(more), Some(Text::Literal(before))) => *before = [&**before, &*more].concat().into(),
                (part, _) => parts.push(part),
            }
        }
        let is_control = |byte: &u8| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7F;
        let has_control = |part: &Text| matches!(part, Text::Literal(text) if text.iter().any(is_control));
        if matches!(stand, Stand::HeaderValue | Stand::Path | Stand::Query | Stand::Uri)
            && parts.iter().any(has_control)
        {
            return Err("a control character stands in a template whose text goes into a head".to_owned());
        }
        Ok(Self { parts: parts.into_boxed_slice(), stand })
    }

    /// The whole text, where it has no hole.
    pub fn literal(&self) -> Option<&[u8]> {
        match &*self.parts {
            [] => Some(b""),
            [Text::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Appends the text for this request. What was written out stays as it is, what fills a hole is escaped.
    pub fn write(&self, subject: &Subject<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        for part in &self.parts {
            if let Text::Literal(text) = part {
                out.extend_from_slice(text);
            } else {
                escape::write(self.stand, part, &part.read(subject), out);
            }
        }
        if self.stand == Stand::Uri {
            self.keep_host(out, start);
        }
    }

    /// `//name` at the beginning of a URI reference names a host (RFC 3986, section 4.2): only who wrote the template may.
    fn keep_host(&self, out: &mut Vec<u8>, start: usize) {
        let is_meant = matches!(self.parts.first(), Some(Text::Literal(text)) if text.starts_with(b"//"));
        let slashes = out.iter().skip(start).take_while(|byte| **byte == b'/').count();
        if slashes > 1 && !is_meant {
            out.drain(start..start + slashes - 1);
        }
    }
}
