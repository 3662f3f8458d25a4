//! What a supervisor may ask: bounded, typed, unknown fields refused.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tidegate_core::snapshot::document;

/// The version of the socket's protocol. Another one is refused at hello.
pub(super) const PROTOCOL: u32 = 1;

/// A request, decoded.
#[derive(Debug)]
pub(super) enum Request {
    /// The first of a connection.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
        /// Rises with each supervisor of an instance.
        generation: u64,
    },
    /// Listening sockets for coming snapshots; their descriptors ride on the frame.
    Sockets(Vec<Named>),
    /// Hand out duplicates of all sockets.
    GiveSockets,
    /// Secrets by id, for the next snapshot.
    Secrets(HashMap<String, String>),
    /// What named sets hold, by digest, for the next snapshot: an entry a line.
    Sets(HashMap<String, String>),
    /// A database that tells where clients are, by its digest, for the next snapshot; its descriptor rides on the frame.
    Database(String),
    /// Serve this.
    Snapshot(Box<document::Document>),
    /// An upstream has changed.
    Upstream(Box<document::Upstream>),
    /// A route leads elsewhere.
    Route {
        /// Its name.
        name: String,
        /// Where.
        to: Box<document::Target>,
    },
    /// When the list of each provider of endpoints was last known to hold.
    Providers(HashMap<String, f64>),
    /// What shows issuers of certificates that names are ours, from now on: the answer to each token.
    Challenges(HashMap<String, String>),
    /// Tell what was counted of a route by each upstream that it leads to.
    Targets(String),
    /// Go.
    Drain {
        /// How long all is served as before while `/readyz` fails.
        delay: Duration,
        /// How long exchanges may then take.
        timeout: Duration,
        /// Whether another worker serves the same sockets: then nobody need be sent away.
        succeeded: bool,
    },
    /// Tell another worker what it is to go on from, over the two descriptors that ride on the frame; without them, nobody.
    Heir,
    /// Take over from another worker, over the two descriptors that ride on the frame.
    Elder,
    /// Open the access log anew.
    Reopen,
    /// Write to these from now on; the descriptors of stdout and stderr ride on the frame.
    Streams,
    /// Say how things stand.
    Status,
    /// Tell of the upstreams.
    Upstreams {
        /// From this row on.
        first: usize,
        /// As the status has them.
        brief: bool,
    },
    /// Tell of the routes from this place on.
    Routes(usize),
}

/// A socket's id and the address that it is bound to.
#[derive(Debug, Deserialize, serde::Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    /// Never used twice in the life of an instance.
    pub(super) id: u32,
    /// As shown to people.
    pub(super) address: String,
}

/// Why a request was not understood: its id if that could be read, and the reason.
#[derive(Debug)]
pub(super) struct NotUnderstood {
    /// The request's id.
    pub(super) id: Option<u64>,
    /// Why.
    pub(super) says: String,
    /// Whether it was JSON with a kind at all; if not, nothing more is read from this peer.
    pub(super) hopeless: bool,
}

#[derive(Deserialize)]
struct Envelope {
    kind: String,
    id: u64,
}

/// Reads a request and its id. Two passes: the first looks at kind and id only, so that the second can refuse fields
/// that the kind does not know, and a wrong snapshot is answered by its id.
pub(super) fn decode(body: &[u8]) -> Result<(u64, Request), NotUnderstood> {
    let Envelope { kind, id } = serde_json::from_slice(body).map_err(|error| NotUnderstood {
        id: None,
        hopeless: error.is_syntax() || error.is_eof(),
        says: format!("a request is an object with `kind` and `id`: {error}"),
    })?;
    let request = match kind.as_str() {
        "hello" => part(body).map(|Hello { protocol, generation, .. }| Request::Hello { protocol, generation }),
        "sockets" => part(body).map(|Sockets { sockets, .. }| Request::Sockets(sockets)),
        "give_sockets" => part(body).map(|Bare { .. }| Request::GiveSockets),
        "secrets" => part(body).map(|Secrets { secrets, .. }| Request::Secrets(secrets)),
        "sets" => part(body).map(|Held { sets, .. }| Request::Sets(sets)),
        "database" => part(body).map(|Database { digest, .. }| Request::Database(digest)),
        "snapshot" => part(body).map(|Snapshot { snapshot, .. }| Request::Snapshot(Box::new(snapshot))),
        "upstream" => part(body).map(|Upstream { upstream, .. }| Request::Upstream(Box::new(upstream))),
        "route" => part(body).map(|Route { name, to, .. }| Request::Route { name, to: Box::new(to) }),
        "providers" => part(body).map(|Providers { good, .. }| Request::Providers(good)),
        "challenges" => part(body).map(|Challenges { answers, .. }| Request::Challenges(answers)),
        "targets" => part(body).map(|Targets { route, .. }| Request::Targets(route)),
        "drain" => part(body).map(|Drain { delay_ms, timeout_ms, succeeded, .. }| Request::Drain {
            delay: Duration::from_millis(delay_ms),
            timeout: Duration::from_millis(timeout_ms),
            succeeded,
        }),
        "heir" => part(body).map(|Bare { .. }| Request::Heir),
        "elder" => part(body).map(|Bare { .. }| Request::Elder),
        "reopen" => part(body).map(|Bare { .. }| Request::Reopen),
        "streams" => part(body).map(|Bare { .. }| Request::Streams),
        "status" => part(body).map(|Bare { .. }| Request::Status),
        "upstreams" => part(body).map(|Page { first, .. }| Request::Upstreams { first, brief: false }),
        "upstreams_in_brief" => part(body).map(|Page { first, .. }| Request::Upstreams { first, brief: true }),
        "routes" => part(body).map(|Page { first, .. }| Request::Routes(first)),
        _ => Err("unknown kind".to_owned()),
    };
    match request {
        Ok(request) => Ok((id, request)),
        Err(says) => {
            let kind: String = kind.chars().take(40).collect();
            Err(NotUnderstood { id: Some(id), says: format!("{kind:?}: {says}"), hopeless: false })
        }
    }
}

fn part<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

/// The fields of one kind of request beside `kind` and `id`.
macro_rules! fields {
    ($name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty),* }) => {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $name {
            #[serde(rename = "kind")]
            _kind: IgnoredAny,
            #[serde(rename = "id")]
            _id: IgnoredAny,
            $($(#[$attribute])* $field: $type),*
        }
    };
}

fields!(Hello { protocol: u32, generation: u64 });
fields!(Bare {});
fields!(Page { first: usize });
fields!(Sockets { sockets: Vec<Named> });
fields!(Secrets { secrets: HashMap<String, String> });
fields!(Held { sets: HashMap<String, String> });
fields!(Database { digest: String });
fields!(Snapshot { snapshot: document::Document });
fields!(Upstream { upstream: document::Upstream });
fields!(Route { name: String, to: document::Target });
fields!(Providers { good: HashMap<String, f64> });
fields!(Challenges { answers: HashMap<String, String> });
fields!(Targets { route: String });
fields!(Drain {
    delay_ms: u64,
    timeout_ms: u64,
    #[serde(default)]
    succeeded: bool
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_says_why_and_for_which_request() {
        for (body, id, hopeless, says) in [
            ("not json", None, true, "expected ident"),
            ("{\"kind\":\"status\"", None, true, "EOF"),
            ("[]", None, false, "invalid length 0"),
            ("{}", None, false, "missing field `kind`"),
            ("{\"kind\":\"status\"}", None, false, "missing field `id`"),
            ("{\"kind\":\"status\",\"id\":-1}", None, false, "invalid value: integer `-1`"),
            ("{\"kind\":\"status\",\"id\":\"7\"}", None, false, "invalid type: string"),
            ("{\"kind\":\"status\",\"id\":7,\"more\":1}", Some(7), false, "unknown field `more`"),
            ("{\"kind\":\"routes\",\"id\":7,\"first\":-1}", Some(7), false, "invalid value: integer `-1`"),
            ("{\"kind\":\"dance\",\"id\":7}", Some(7), false, "\"dance\": unknown kind"),
            ("{\"kind\":\"drain\",\"id\":7,\"delay_ms\":0}", Some(7), false, "missing field `timeout_ms`"),
            ("{\"kind\":\"snapshot\",\"id\":7,\"snapshot\":{}}", Some(7), false, "missing field `format`"),
        ] {
            let error = decode(body.as_bytes()).expect_err(body);
            assert_eq!((error.id, error.hopeless), (id, hopeless), "{body}");
            assert!(error.says.contains(says), "{body}: {}", error.says);
        }
    }
}
