//! The program's own log: what it says about itself, on stderr. Anyone may speak; the log thread writes.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::append::escaped;
use super::clock::Clock;
use super::writer::LogWriter;

/// Most lines of one topic in [`WINDOW`].
const MOST: u32 = 10;
/// How long a topic that has said enough is silent.
const WINDOW: Duration = Duration::from_secs(10);

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// For whoever looks for a mistake.
    Debug,
    /// What happens in a good life.
    Info,
    /// Something is not as it should be; the program goes on.
    Warning,
    /// Something that was asked for could not be done.
    Error,
}

impl Level {
    /// The word in configuration and log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// A handle on the program's log; clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct ProgramLog {
    writer: LogWriter,
    voice: Voice,
}

/// What makes a line, or silence.
#[derive(Clone, Debug)]
pub(super) struct Voice(Arc<Settings>);

#[derive(Debug)]
struct Settings {
    least: AtomicU8,
    json: AtomicBool,
    topics: Mutex<HashMap<&'static str, Topic>>,
}

/// What a topic has said in its window.
#[derive(Debug)]
struct Topic {
    since: Instant,
    said: u32,
    left_out: u64,
}

impl ProgramLog {
    pub(super) fn new(writer: LogWriter) -> Self {
        let settings = Settings {
            least: AtomicU8::new(Level::Info as u8),
            json: AtomicBool::new(false),
            topics: Mutex::default(),
        };
        Self { writer, voice: Voice(Arc::new(settings)) }
    }

    /// From now on lines of `least` and above are written, as `format` says.
    pub fn set(&self, least: Level, format: Format) {
        self.voice.0.least.store(least as u8, Ordering::Relaxed);
        self.voice.0.json.store(format == Format::Json, Ordering::Relaxed);
    }

    /// Says `words`. `topic` is one word for what they are about, such as `accept`: of one topic no more than ten lines
    /// come in ten seconds. Never waits for stderr.
    pub fn say(&self, level: Level, topic: &'static str, words: impl Display) {
        if let Some(line) = self.voice.line(level, topic, &words) {
            self.writer.take_program_line(line);
        }
    }

    /// Waits until all that was said is written, at most for `within`; for a process that is about to end.
    pub fn flush(&self, within: Duration) -> bool {
        self.writer.flush(within)
    }

    pub(super) fn voice(&self) -> Voice {
        self.voice.clone()
    }
}

impl Voice {
    /// The line, or none where the level is too low or the topic has said enough.
    pub(super) fn line(&self, level: Level, topic: &'static str, words: &dyn Display) -> Option<Vec<u8>> {
        if (level as u8) < self.0.least.load(Ordering::Relaxed) {
            return None;
        }
        let left_out = self.admit(topic, Instant::now())?;
        let mut text = words.to_string();
        if left_out > 0 {
            text.push_str(&format!(" ({left_out} lines of this topic were left out)"));
        }
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let unix_ns = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        Some(write(unix_ns, level, topic, &text, self.0.json.load(Ordering::Relaxed)))
    }

    /// Whether `topic` may speak at `now`, and how many lines were left out before.
    fn admit(&self, topic: &'static str, now: Instant) -> Option<u64> {
        let mut topics = self.0.topics.lock().unwrap_or_else(PoisonError::into_inner);
        let topic = topics.entry(topic).or_insert(Topic { since: now, said: 0, left_out: 0 });
        if now.saturating_duration_since(topic.since) >= WINDOW {
            *topic = Topic { since: now, said: 0, left_out: topic.left_out };
        }
        if topic.said >= MOST {
            topic.left_out += 1;
            return None;
        }
        topic.said += 1;
        Some(std::mem::take(&mut topic.left_out))
    }
}

fn write(unix_ns: u64, level: Level, topic: &str, text: &str, json: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 80);
    if json {
        out.extend_from_slice(b"{\"time\":\"");
        Clock::default().append(&mut out, unix_ns);
        let room = "\",\"room\":\"engine\",\"topic\":\"";
        for (key, value) in [("\",\"level\":\"", level.name()), (room, topic), ("\",\"message\":\"", text)] {
            out.extend_from_slice(key.as_bytes());
            escaped(&mut out, value.as_bytes());
        }
        out.extend_from_slice(b"\"}\n");
    } else {
        Clock::default().append(&mut out, unix_ns);
        out.extend_from_slice(format!(" {} {topic}: ", level.name()).as_bytes());
        // A line of text stays one line, and no word of a stranger in it moves the cursor.
        for char in text.chars() {
            if char.is_control() {
                out.extend(char.escape_default().map(|c| c as u8))
            } else {
                out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        out.push(b'\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn voice(least: Level) -> Voice {
        let topics = Mutex::default();
        Voice(Arc::new(Settings { least: AtomicU8::new(least as u8), json: AtomicBool::new(false), topics }))
    }

    #[test]
    fn a_topic_that_says_much_is_cut_short_and_says_so_later() {
        let (voice, now) = (voice(Level::Info), Instant::now());
        let said = (0..100).filter(|_| voice.admit("accept", now).is_some()).count();
        assert_eq!(said, MOST as usize);
        assert_eq!(voice.admit("connect", now), Some(0), "another topic is not held up");
        assert_eq!(voice.admit("accept", now + WINDOW), Some(90));
        assert_eq!(voice.admit("accept", now + WINDOW), Some(0));
    }

    #[test]
    fn what_matters_too_little_is_not_said() {
        let voice = voice(Level::Warning);
        assert!(voice.line(Level::Info, "accept", &"hello").is_none());
        assert!(voice.line(Level::Warning, "accept", &"hello").is_some());
    }

    #[test]
    fn a_line_stays_one_line_in_both_formats() {
        let text = |json| {
            String::from_utf8(write(0, Level::Error, "accept", "a\nb\u{1b}[2J \"\u{fc}\"", json)).expect("UTF-8")
        };
        assert_eq!(text(false), "1970-01-01T00:00:00.000Z error accept: a\\nb\\u{1b}[2J \"\u{fc}\"\n");
        let object: serde_json::Value = serde_json::from_str(&text(true)).expect("JSON");
        assert_eq!(object["message"], "a\nb\u{1b}[2J \"\u{fc}\"");
        assert_eq!(
            (&object["level"], &object["room"], &object["topic"]),
            (&"error".into(), &"engine".into(), &"accept".into())
        );
        assert_eq!(text(true).lines().count(), 1);
    }
}
