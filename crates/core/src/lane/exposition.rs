//! In which of its two forms the text of the metrics is asked for (`Accept`: RFC 9110, section 12.5.1).

use crate::head::RequestHead;

/// A form of the metrics' text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Exposition {
    /// The text format of Prometheus, version 0.0.4.
    #[default]
    Text,
    /// OpenMetrics, version 1.0.0.
    OpenMetrics,
}

impl Exposition {
    /// What an answer says that it is.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The form that a request wants more. Whoever does not speak of OpenMetrics, or of a version that we do not write,
    /// gets the text, as from every client library of Prometheus: nothing that is asked for is refused.
    pub fn wanted(head: &RequestHead, bytes: &[u8]) -> Self {
        let (mut open, mut text) = (0, 0);
        let accepts = |name: &[u8]| name.eq_ignore_ascii_case(b"accept");
        for field in head.fields.iter().filter(|field| accepts(field.name.of(bytes))) {
            for range in field.value.of(bytes).split(|byte| *byte == b',') {
                let Some((kind, weight)) = read(range) else { continue };
                match kind {
                    Self::OpenMetrics => open = open.max(weight),
                    Self::Text => text = text.max(weight),
                }
            }
        }
        if open > 0 && open >= text { Self::OpenMetrics } else { Self::Text }
    }
}

/// What a range of media is about, and its weight in thousandths; `None` where it is about neither form. `*/*` is about
/// the text: who takes anything has not asked for OpenMetrics.
fn read(range: &[u8]) -> Option<(Exposition, u16)> {
    let range = std::str::from_utf8(range).ok()?.to_ascii_lowercase();
    let mut parts = range.split(';').map(str::trim);
    let kind = match parts.next()? {
        "application/openmetrics-text" => Exposition::OpenMetrics,
        "text/plain" | "text/*" | "*/*" => Exposition::Text,
        _ => return None,
    };
    let mut weight = 1000;
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        match (name.trim(), value.trim().trim_matches('"')) {
            ("q", value) => weight = thousandths(value)?,
            ("version", version) if !is_ours(kind, version) => return None,
            _ => {}
        }
    }
    Some((kind, weight))
}

fn is_ours(kind: Exposition, version: &str) -> bool {
    match kind {
        Exposition::Text => version == "0.0.4",
        Exposition::OpenMetrics => matches!(version, "1.0.0" | "0.0.1"), // the draft was the same text
    }
}

/// A weight (RFC 9110, section 12.4.2) in thousandths.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match (whole, fraction) {
        ("0", _) => Some(fraction),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::{Field, Known, Span};

    fn wanted(accepts: &[&str]) -> Exposition {
        let (mut bytes, mut head) = (Vec::new(), RequestHead::default());
        let mut span = |text: &str| {
            let start = bytes.len() as u32;
            bytes.extend_from_slice(text.as_bytes());
            Span { start, end: bytes.len() as u32 }
        };
        for accept in accepts {
            head.fields.push(Field { name: span("Accept"), value: span(accept), known: Known::of(b"accept") });
        }
        Exposition::wanted(&head, &bytes)
    }

    #[test]
    fn who_asks_for_open_metrics_gets_it_and_all_others_get_text() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                          application/openmetrics-text;version=0.0.1;q=0.5,\
                          text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let no_version_of_ours = "application/openmetrics-text;version=2.0.0,text/plain;version=0.0.4;q=0.5";
        for (accepts, expected) in [
            (&[][..], Exposition::Text),
            (&[prometheus], Exposition::OpenMetrics),
            (&["application/openmetrics-text; version=1.0.0"], Exposition::OpenMetrics),
            (&["Application/OpenMetrics-Text"], Exposition::OpenMetrics),
            (&["text/plain;q=0.5", "application/openmetrics-text"], Exposition::OpenMetrics),
            (&["application/openmetrics-text;q=0.5,text/plain"], Exposition::Text),
            (&["application/openmetrics-text;q=0"], Exposition::Text),
            (&[no_version_of_ours], Exposition::Text),
            (&["*/*"], Exposition::Text),
            (&["text/html,application/xhtml+xml,*/*;q=0.8"], Exposition::Text),
            (&["application/json"], Exposition::Text),
            (&["application/openmetrics-text;q=banana"], Exposition::Text),
            (&[",;,;=;q=,application/openmetrics-text;q=1.001", "\u{fc}"], Exposition::Text),
        ] {
            assert_eq!(wanted(accepts), expected, "{accepts:?}");
        }
    }
}
