//! The access log and the program's own, as Python writes them (`python/tidegate/compile/access_log.py`).

use serde::Deserialize;

use super::rule::{Rule, Text};

/// The access log.
#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct AccessLog {
    /// Where lines go.
    pub to: LogTarget,
    /// How they look.
    pub line: LogLine,
    /// Each is a message of syslog (RFC 5424) with this header; none: a line alone.
    pub syslog: Option<LogSyslog>,
    /// Which exchanges are told; none: all.
    pub when: Option<Rule>,
    /// The share of exchanges that are told of those that went well, 0 to 1.
    pub sample: f64,
}

/// Where lines of the access log go.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum LogTarget {
    /// The worker's stdout.
    Stdout,
    /// The path of a file, a FIFO or a device.
    File(String),
    /// The path of a Unix socket, of datagrams or of a stream.
    Unix(String),
    /// A datagram for each line.
    Udp(LogPeer),
    /// A stream of lines.
    Tcp(LogPeer),
}

/// Who takes lines of the access log over the network.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct LogPeer {
    /// `host:port`, as configured.
    pub name: String,
    /// The address that it stands for; none where the name does not resolve.
    pub address: Option<String>,
}

/// How a line of the access log looks.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum LogLine {
    /// One JSON object with these fields, in this order.
    Json(Vec<LogMember>),
    /// These pieces, one after another.
    Words(Vec<LogPiece>),
}

/// A member of a line of JSON.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(untagged)]
pub enum LogMember {
    /// A field of the access log, under its name.
    Field(String),
    /// A text of the request or its answer, under this key.
    Text {
        /// The key.
        key: String,
        /// What it says.
        text: Text,
    },
}

/// A piece of a line of words.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum LogPiece {
    /// As it stands.
    Literal(String),
    /// The value of a field of the access log.
    Field(String),
    /// A text of the request or its answer.
    Text(Text),
}

/// The header of a syslog message.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct LogSyslog {
    /// Facility times 8 and severity.
    pub priority: u8,
    /// APP-NAME.
    pub app: String,
}

/// The program's own log, on stderr.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct ProgramLog {
    /// The least that is worth a line.
    pub level: LogLevel,
    /// How a line looks.
    pub format: LogFormat,
}

/// How much a line of the program's log matters.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For whoever looks for a mistake.
    Debug,
    /// What happens in a good life.
    Info,
    /// Something is not as it should be.
    Warning,
    /// Something could not be done.
    Error,
}

/// How a line of the program's log looks.
#[derive(Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}
