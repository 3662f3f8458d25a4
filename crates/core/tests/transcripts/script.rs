//! A transcript's text as steps: each is an input, and what is expected to come of it.

use std::time::Duration;

use tidegate_core::failure::Kind;

use crate::notation::Notation;
use crate::setting::Setting;

/// Whom bytes come from, and go to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// The client.
    Downstream,
    /// The endpoint.
    Upstream,
    /// Another endpoint that is asked at the same time.
    Second,
}

/// A transcript.
pub(crate) struct Script {
    /// What its first lines say.
    pub(crate) setting: Setting,
    /// Its bytes may not be split, for a reason that it tells.
    pub(crate) unsplit: bool,
    /// Nobody wrote it: steps that cannot happen when they come are passed over.
    pub(crate) is_guessed: bool,
    /// What happens, and what comes of it. The first step is the connection's beginning.
    pub(crate) steps: Vec<Step>,
}

/// One input and what comes of it.
pub(crate) struct Step {
    /// Its line in the file.
    pub(crate) line: usize,
    /// What happens.
    pub(crate) input: Input,
    /// What is expected to come of it.
    pub(crate) expected: Vec<Expected>,
}

/// What happens.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// The connection begins.
    Accepted,
    /// A side sends these bytes.
    Bytes(Side, Vec<u8>),
    /// A side sends no more.
    Closed(Side),
    /// A side breaks.
    Reset(Side),
    /// A side takes no more, and each write to it fails; what it has sent can still be read.
    Refuses(Side),
    /// A side has room for so many more bytes.
    Takes(Side, usize),
    /// The connection that was asked for is there.
    Connected { reused: bool, has_room: bool },
    /// The request waits for a connection.
    Queued,
    /// The wait is over, and the connect begins.
    Connecting,
    /// There is no connection.
    Failed(Kind),
    /// Time passes.
    Pass(Duration),
    /// Another snapshot is served from now on.
    Reload(Box<Setting>),
    /// The process is to end.
    Drain,
}

/// What is expected.
pub(crate) enum Expected {
    /// A side is sent these bytes.
    Bytes(Side, Notation),
    /// This is done.
    Act(String),
    /// This is waited for.
    Waits(String),
}

impl Script {
    /// Reads a transcript; fails with line and reason.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let first = Step { line: 0, input: Input::Accepted, expected: Vec::new() };
        let mut script = Self { setting: Setting::default(), unsplit: false, is_guessed: false, steps: vec![first] };
        for (at, line) in text.lines().enumerate() {
            script.take(at + 1, line.trim()).map_err(|says| format!("{}: {says}\n    {line}", at + 1))?;
        }
        Ok(script)
    }

    fn take(&mut self, number: usize, line: &str) -> Result<(), String> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if let Some(change) = line.strip_prefix(">> reload") {
            let mut setting = self.latest_setting().clone();
            setting.take(change.trim())?;
            let input = Input::Reload(Box::new(setting));
            self.steps.push(Step { line: number, input, expected: Vec::new() });
        } else if let Some(line) = line.strip_prefix(">> ") {
            self.steps.push(Step { line: number, input: read_input(line.trim())?, expected: Vec::new() });
        } else if let Some(line) = line.strip_prefix("<< ") {
            let step = self.steps.last_mut().ok_or("nothing has happened yet")?;
            step.expected.push(read_expected(line.trim())?);
        } else if line.starts_with("not split") {
            self.unsplit = true;
        } else {
            self.setting.take(line)?;
        }
        Ok(())
    }

    fn latest_setting(&self) -> &Setting {
        let reload = |step: &Step| matches!(step.input, Input::Reload(_));
        match self.steps.iter().rfind(|step| reload(step)) {
            Some(Step { input: Input::Reload(setting), .. }) => setting,
            Some(_) | None => &self.setting,
        }
    }

    /// The bytes that are sent, each piece with its step.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.steps.iter().enumerate().filter_map(|(at, step)| {
            let Input::Bytes(_, bytes) = &step.input else { return None };
            Some((at, bytes.as_slice()))
        })
    }
}

fn read_input(line: &str) -> Result<Input, String> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim_start();
    if rest == "pass" {
        return Ok(Input::Pass(read_duration(word).ok_or("no duration")?));
    }
    Ok(match (side(word), word) {
        (Some(side), _) => match (rest, rest.strip_prefix("takes ")) {
            ("closed", _) => Input::Closed(side),
            ("reset", _) => Input::Reset(side),
            ("refuses", _) => Input::Refuses(side),
            (_, Some("nothing")) => Input::Takes(side, 0),
            (_, Some("all")) => Input::Takes(side, usize::MAX),
            (_, Some(bytes)) => Input::Takes(side, bytes.parse().map_err(|_| "no number")?),
            (bytes, None) => Input::Bytes(side, Notation::read(bytes)?.bytes()),
        },
        (None, "connected") => {
            let (word, room) = rest.split_once(", ").unwrap_or((rest, "takes all"));
            let reused = if word == "reused" { true } else { expect(word, "new")? };
            Input::Connected { reused, has_room: room == "takes all" || expect(room, "takes nothing")? }
        }
        (None, "connecting") => Input::Connecting,
        (None, "queued") => Input::Queued,
        (None, "failed") => Input::Failed(kind(rest)?),
        (None, "drain") => Input::Drain,
        (None, _) => return Err("no input that is known".into()),
    })
}

/// False where `word` is what was expected.
fn expect(word: &str, expected: &str) -> Result<bool, String> {
    if word == expected { Ok(false) } else { Err(format!("`{word}` should be `{expected}`")) }
}

fn read_expected(line: &str) -> Result<Expected, String> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    Ok(match (side(word), word) {
        (Some(side), _) if rest.as_bytes().first().is_some_and(u8::is_ascii_digit) => {
            Expected::Bytes(side, own_answer(rest)?)
        }
        (Some(side), _) => Expected::Bytes(side, Notation::read(rest)?),
        (None, "waits") => Expected::Waits(rest.to_owned()),
        (None, _) => Expected::Act(format!("{word} {rest}").trim().to_owned()),
    })
}

/// `404 no_route` and `408 head_timeout, close`: an answer of our own, in full.
fn own_answer(text: &str) -> Result<Notation, String> {
    let mut words = text.split([' ', ',']).filter(|word| !word.is_empty());
    let (status, kind) = (words.next().unwrap_or_default(), kind(words.next().unwrap_or_default())?);
    let phrase = match status {
        "400" => "Bad Request",
        "403" => "Forbidden",
        "404" => "Not Found",
        "405" => "Method Not Allowed",
        "408" => "Request Timeout",
        "413" => "Content Too Large",
        "414" => "URI Too Long",
        "417" => "Expectation Failed",
        "421" => "Misdirected Request",
        "429" => "Too Many Requests",
        "431" => "Request Header Fields Too Large",
        "502" => "Bad Gateway",
        "503" => "Service Unavailable",
        "504" => "Gateway Timeout",
        "505" => "HTTP Version Not Supported",
        _ => return Err(format!("no phrase is known for {status}")),
    };
    let (name, body) = (kind.name(), format!("{}: {}\n", kind.name(), kind.says()));
    let mut head = vec![
        format!("HTTP/1.1 {status} {phrase}"),
        format!("proxy-status: tidegate; error={}; details=\"{name}\"", kind.proxy_status()),
    ];
    if kind == Kind::MethodRefused {
        head.push("allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS".into());
    }
    if matches!(status, "429" | "503") {
        head.push("retry-after: 1".into());
    }
    head.push("content-type: text/plain; charset=utf-8".into());
    head.push(format!("content-length: {}", body.len()));
    head.extend(words.map(|option| format!("connection: {option}")));
    Ok(Notation { head, body: body.into_bytes() })
}

fn side(word: &str) -> Option<Side> {
    match word {
        "downstream" => Some(Side::Downstream),
        "upstream" => Some(Side::Upstream),
        "second" => Some(Side::Second),
        _ => None,
    }
}

fn kind(name: &str) -> Result<Kind, String> {
    Kind::ALL.iter().copied().find(|kind| kind.name() == name).ok_or_else(|| format!("no kind is named `{name}`"))
}

/// `250ms`, `2s`, `1m` or `1h`.
pub(crate) fn read_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let unit = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(Duration::from_millis(text[..digits].parse::<u64>().ok()? * unit))
}
