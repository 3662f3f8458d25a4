//! Bytes as a person writes them: `GET / HTTP/1.1 | host: a || body` is a head and what follows it, `"5\r\n" + "x" * 5`
//! is what it says.

/// Fields that stand in almost every message: left out of a transcript unless it is about them.
const USUAL: &[&str] =
    &["date", "via", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-request-id"];

/// What a transcript says of bytes.
#[derive(Clone, Debug)]
pub(crate) struct Notation {
    /// The lines of a head, which an empty line closes; none where these are bytes without a head.
    pub(crate) head: Vec<String>,
    /// What follows.
    pub(crate) body: Vec<u8>,
}

impl Notation {
    /// Reads `text`.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if text.starts_with('"') {
            return Ok(Self { head: Vec::new(), body: read_literals(text)? });
        }
        let (head, body) = text.split_once("||").unwrap_or((text, ""));
        let (head, body) = (head.trim_end(), body.trim_start());
        let body = if body.starts_with('"') { read_literals(body)? } else { unescape(body)? };
        Ok(Self { head: head.split(" | ").map(|line| line.trim().to_owned()).collect(), body })
    }

    /// The bytes, as they are sent.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in &self.head {
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        if !self.head.is_empty() {
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Takes these bytes off the front of `came`, usual fields apart that are not named here.
    pub(crate) fn take_from(&self, came: &mut Vec<u8>) -> Result<(), String> {
        if !self.head.is_empty() {
            let (lines, rest) = split_head(came).ok_or("there is no head here")?;
            if without_usual(lines.clone(), &self.head) != self.head {
                return Err(format!("the head is `{}`", lines.join(" | ")));
            }
            *came = rest;
        }
        match came.strip_prefix(self.body.as_slice()) {
            Some(rest) => *came = rest.to_vec(),
            None => return Err("the bytes are others".into()),
        }
        Ok(())
    }
}

/// The lines of the head at the front of `bytes`, and what follows.
fn split_head(bytes: &[u8]) -> Option<(Vec<String>, Vec<u8>)> {
    let end = memchr::memmem::find(bytes, b"\r\n\r\n")?;
    let lines = String::from_utf8_lossy(&bytes[..end]).split("\r\n").map(str::to_owned).collect();
    Some((lines, bytes[end + 4..].to_vec()))
}

fn name(line: &str) -> &str {
    line.split_once(':').map_or("", |(name, _)| name)
}

fn without_usual(lines: Vec<String>, said: &[String]) -> Vec<String> {
    let is_said = |line: &str| said.iter().any(|other| name(other).eq_ignore_ascii_case(name(line)));
    lines.into_iter().filter(|line| !USUAL.contains(&name(line)) || is_said(line)).collect()
}

/// `bytes` as a transcript has them.
pub(crate) fn show(bytes: &[u8]) -> String {
    match split_head(bytes) {
        Some((lines, rest)) if lines[0].contains("HTTP/1.") => {
            let head = without_usual(lines, &[]).join(" | ");
            if rest.is_empty() { head } else { format!("{head} || {}", show(&rest)) }
        }
        _ => show_literals(bytes),
    }
}

/// Bytes in quotes, with long runs of one byte written as such.
fn show_literals(bytes: &[u8]) -> String {
    let (mut parts, mut plain) = (Vec::new(), String::new());
    for run in bytes.chunk_by(|a, b| a == b) {
        let text = run[..1].escape_ascii().to_string();
        if run.len() < 32 {
            plain += &text.repeat(run.len());
            continue;
        }
        if !plain.is_empty() {
            parts.push(format!("\"{}\"", std::mem::take(&mut plain)));
        }
        parts.push(format!("\"{text}\" * {}", run.len()));
    }
    if !plain.is_empty() {
        parts.push(format!("\"{plain}\""));
    }
    parts.join(" + ")
}

/// Reads `"text" * 3 + "more"`.
fn read_literals(text: &str) -> Result<Vec<u8>, String> {
    let (mut bytes, mut rest) = (Vec::new(), text.trim());
    while !rest.is_empty() {
        let inner = rest.strip_prefix('"').ok_or_else(|| format!("a quote should begin `{rest}`"))?;
        let end = closing_quote(inner).ok_or_else(|| format!("no quote ends `{rest}`"))?;
        let mut piece = unescape(&inner[..end])?;
        rest = inner[end + 1..].trim_start();
        if let Some(times) = rest.strip_prefix('*') {
            let times = times.trim_start();
            let digits = times.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(times.len());
            piece = piece.repeat(times[..digits].parse().map_err(|_| format!("`{times}` is no number"))?);
            rest = times[digits..].trim_start();
        }
        bytes.extend(piece);
        rest = rest.strip_prefix('+').unwrap_or(rest).trim_start();
    }
    Ok(bytes)
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

/// Reads the escapes `\r`, `\n`, `\t`, `\\`, `\"` and `\x2f`.
fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(same @ (b'\\' | b'"')) => same,
            Some(b'x') => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).map_err(|_| format!("`\\x{digits}` is no byte"))?
            }
            _ => return Err(format!("an escape that is none in `{text}`")),
        });
    }
    Ok(bytes)
}
