//! Comma-separated fields, and what `Connection` takes from a message (RFC 9110, section 7.6.1).

use super::bytes::{is_token, trim};
use super::refuse;
use crate::failure::{Failure, Kind};
use crate::head::{Field, Known, RequestHead, ResponseHead};

/// The members of a list, trimmed; empty ones are left out (RFC 9110, section 5.6.1.2).
pub(super) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim).filter(|member| !member.is_empty())
}

/// What `Connection` says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) upgrade: bool,
    /// Whether it names fields that are not hop-by-hop anyway.
    pub(super) names_others: bool,
}

/// Reads every `Connection` field. Fails where it names what may not be dropped, or what is no token.
pub(super) fn read_options(bytes: &[u8], fields: &[Field]) -> Result<Options, Failure> {
    let mut options = Options::default();
    for field in fields.iter().filter(|field| field.known == Known::Connection) {
        for member in members(field.value.of(bytes)) {
            if !is_token(member) {
                return Err(super::malformed(format!("Connection names {}, which is no token", super::shown(member))));
            }
            if member.eq_ignore_ascii_case(b"close") {
                options.close = true;
                continue;
            }
            match Known::of(member) {
                Known::KeepAlive => options.keep_alive = true,
                Known::Upgrade => options.upgrade = true,
                Known::Te | Known::Trailer | Known::ProxyConnection | Known::Http2Settings => {}
                known if may_not_be_dropped(known) => {
                    let reason = format!("Connection names {}", super::shown(member));
                    return Err(refuse(Kind::ForbiddenConnectionOption, reason));
                }
                _ => options.names_others = true,
            }
        }
    }
    Ok(options)
}

/// Whether dropping the field would change what the message is, or who is taken to have sent it.
fn may_not_be_dropped(known: Known) -> bool {
    matches!(
        known,
        Known::Host
            | Known::ContentLength
            | Known::TransferEncoding
            | Known::Authorization
            | Known::Cookie
            | Known::Via
            | Known::XForwardedFor
            | Known::XForwardedProto
            | Known::XForwardedHost
            | Known::XForwardedPort
            | Known::XForwardedPrefix
            | Known::XForwardedServer
            | Known::XRealIp
            | Known::Forwarded
    )
}

/// Which fields of a message end here.
#[derive(Clone, Debug, Default)]
pub struct Dropped {
    /// `Connection` fields that name others, if any does.
    naming: Vec<Field>,
}

impl Dropped {
    /// What ends here of a request.
    pub fn of_request(bytes: &[u8], head: &RequestHead) -> Self {
        Self::of(bytes, &head.fields)
    }

    /// What ends here of an answer.
    pub fn of_response(bytes: &[u8], head: &ResponseHead) -> Self {
        Self::of(bytes, &head.fields)
    }

    fn of(bytes: &[u8], fields: &[Field]) -> Self {
        let names_others = |field: &&Field| {
            field.known == Known::Connection
                && members(field.value.of(bytes)).any(|member| {
                    !member.eq_ignore_ascii_case(b"close") && !is_hop_by_hop(Known::of(member))
                })
        };
        Self { naming: fields.iter().filter(names_others).copied().collect() }
    }

    /// Whether `field` ends here.
    pub fn drops(&self, bytes: &[u8], field: &Field) -> bool {
        is_hop_by_hop(field.known)
            || (!self.naming.is_empty()
                && self.naming.iter().any(|connection| {
                    members(connection.value.of(bytes)).any(|name| name.eq_ignore_ascii_case(field.name.of(bytes)))
                }))
    }
}

/// Fields that are about one connection only, whether `Connection` names them or not.
fn is_hop_by_hop(known: Known) -> bool {
    matches!(
        known,
        Known::Connection
            | Known::KeepAlive
            | Known::ProxyConnection
            | Known::ProxyAuthenticate
            | Known::ProxyAuthorization
            | Known::Te
            | Known::Trailer
            | Known::TransferEncoding
            | Known::Upgrade
            | Known::Http2Settings
    )
}
