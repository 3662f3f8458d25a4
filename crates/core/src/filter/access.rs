//! The filters `deny` and `allow`: which clients a route serves, by their address.
//!
//! `deny` wins: who is in one of its networks is refused, whatever `allow` says. Where there is an `allow`, who is in none
//! of its networks is refused as well. In Rust because it runs for every request.

use std::net::IpAddr;

use super::networks::Networks;
use crate::failure::{Failure, Kind, Stage};

/// Which clients a route serves.
#[derive(Debug)]
pub struct Access {
    deny: Option<List>,
    allow: Option<List>,
}

#[derive(Debug)]
struct List {
    all: Networks,
    /// As they are written, for whoever wonders.
    texts: Vec<String>,
}

impl List {
    fn build(name: &str, texts: &[String]) -> Result<Self, String> {
        let all = Networks::build(texts).map_err(|text| format!("{name}: `{text}` is no network"))?;
        Ok(Self { all, texts: texts.to_vec() })
    }

    /// The network that holds `client`, as it is written.
    fn which(&self, client: Option<IpAddr>) -> &str {
        let holds = |text: &&String| Networks::build(&[text]).is_ok_and(|network| network.hold(client));
        self.texts.iter().find(holds).map_or("", String::as_str)
    }
}

impl Access {
    /// Compiles both lists. `None` where there is neither; fails on what is no network.
    pub fn build(deny: Option<&[String]>, allow: Option<&[String]>) -> Result<Option<Self>, String> {
        let list = |name, texts: Option<&[String]>| texts.map(|texts| List::build(name, texts)).transpose();
        let access = Self { deny: list("deny", deny)?, allow: list("allow", allow)? };
        Ok((access.deny.is_some() || access.allow.is_some()).then_some(access))
    }

    /// Refuses a client that the route does not serve; `None` is one of a Unix socket, which only `unix:` holds.
    pub fn check(&self, client: Option<IpAddr>) -> Result<(), Failure> {
        if let Some(deny) = &self.deny
            && deny.all.hold(client)
        {
            return Err(forbidden(client, &format!("is denied by `{}`", deny.which(client))));
        }
        match &self.allow {
            Some(allow) if !allow.all.hold(client) => {
                Err(forbidden(client, &format!("is in none of the {} networks of `allow`", allow.texts.len())))
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[cold]
fn forbidden(client: Option<IpAddr>, why: &str) -> Failure {
    let client = client.map_or_else(|| "a client of a Unix socket".to_owned(), |client| client.to_string());
    Failure::new(Kind::Forbidden, Stage::Filter, format!("{client} {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(deny: Option<&[&str]>, allow: Option<&[&str]>, client: &str) -> String {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let (deny, allow) = (deny.map(own), allow.map(own));
        let access = Access::build(deny.as_deref(), allow.as_deref()).unwrap().unwrap();
        access.check(client.parse().ok()).map_or_else(|failure| failure.reason, |()| "served".into())
    }

    #[test]
    fn deny_wins_and_allow_leaves_the_others_out() {
        let (denied, allowed) = (["10.9.0.0/16", "10.1.2.3"], ["10.0.0.0/8", "2001:db8::/32"]);
        let (deny, allow) = (Some(denied.as_slice()), Some(allowed.as_slice()));
        for (deny, allow, client, expected) in [
            (deny, None, "192.0.2.1", "served"),
            (deny, None, "10.1.2.3", "10.1.2.3 is denied by `10.1.2.3`"),
            (None, allow, "10.9.0.1", "served"),
            (None, allow, "192.0.2.1", "192.0.2.1 is in none of the 2 networks of `allow`"),
            (deny, allow, "10.9.0.1", "10.9.0.1 is denied by `10.9.0.0/16`"),
            (deny, allow, "10.8.0.1", "served"),
            (deny, allow, "::ffff:10.9.0.1", "::ffff:10.9.0.1 is denied by `10.9.0.0/16`"),
            (deny, allow, "2001:db8::1", "served"),
            (deny, allow, "2001:db9::1", "2001:db9::1 is in none of the 2 networks of `allow`"),
            (None, allow, "", "a client of a Unix socket is in none of the 2 networks of `allow`"),
            (None, Some(&["unix:"]), "", "served"),
            (Some(&["unix:"]), None, "", "a client of a Unix socket is denied by `unix:`"),
            (Some(&["0.0.0.0/0", "::/0"]), None, "", "served"),
        ] {
            assert_eq!(says(deny, allow, client), expected, "{client}");
        }
    }

    #[test]
    fn what_is_no_network_is_told_with_the_list_that_holds_it() {
        assert!(Access::build(None, None).unwrap().is_none());
        assert_eq!(Access::build(None, Some(&["x".into()])).unwrap_err(), "allow: `x` is no network");
        assert_eq!(Access::build(Some(&["1.2.3.4/40".into()]), None).unwrap_err(), "deny: `1.2.3.4/40` is no network");
    }
}
