//! What an elder and its heir say to each other, a frame of JSON for each.

use std::net::SocketAddr;
use std::os::unix::net::UnixStream;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tidegate_core::snapshot::compiled::{ToldEndpoint, ToldLatencies};

use super::held::{Clients, Held};
use crate::control::frame::{self, Broken};
use crate::metrics::handover::Counts;

/// Longest frame, in bytes.
const MOST: usize = 4 << 20;

/// One thing that is said.
#[derive(Serialize, Deserialize, Debug)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Word {
    /// The first.
    Hello { format: u32 },
    /// What is known of endpoints: upstream, address, and that.
    Endpoints { rows: Vec<(String, String, ToldEndpoint)> },
    /// How soon routes are answered, by name.
    Routes { rows: Vec<(String, ToldLatencies)> },
    /// The bounds on requests under way that upstreams have found, by name.
    Limits { rows: Vec<(String, u64)> },
    /// What was counted, since it was last told.
    Counts { counts: Counts },
    /// What is held of what is bounded.
    Held { held: Held },
    /// What clients of a listener have, as far as that has changed.
    Clients { clients: Clients },
    /// What was counted up to the last call for it has been told.
    Recounted,
    /// Flows whose sessions the elder has.
    Flows { rows: Vec<(SocketAddr, SocketAddr)> },
    /// Those were all, and the elder reads no more.
    Rests,
    /// Flows whose sessions have ended.
    Ended { rows: Vec<(SocketAddr, SocketAddr)> },
    /// The elder has no sessions any more.
    Bye,
    /// All was told that there was in the beginning.
    Whole,
    /// Something that this version does not know.
    #[serde(other)]
    Unknown,
}

/// What an heir says to its elder.
#[derive(Serialize, Deserialize, Debug)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Call {
    /// It listens: all may be told.
    Listens,
    /// It is asked for its counters: what was counted up to now must be told.
    Counted,
    /// It serves from now on: it reads datagrams and tells counters, and the elder does not.
    Serves,
    /// Something that this version does not know.
    #[serde(other)]
    Unknown,
}

/// Says it. Waits for room.
pub(super) fn say(stream: &UnixStream, word: &impl Serialize) -> std::io::Result<()> {
    frame::write(stream, &serde_json::to_vec(word)?, &[])
}

/// Hears the next one; none at the end.
pub(super) fn hear<T: DeserializeOwned>(stream: &UnixStream) -> Result<Option<T>, String> {
    match frame::read(stream, MOST) {
        Ok(frame) => serde_json::from_slice(&frame.body).map(Some).map_err(|error| error.to_string()),
        Err(Broken::Closed) => Ok(None),
        Err(Broken::Cut) => Err("it ended in the midst of a word, or said nothing for too long".to_owned()),
        Err(Broken::Wrong(says)) => Err(says),
    }
}
