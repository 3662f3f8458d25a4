//! Named sets: many networks or many texts, told apart by name. A million entries load in a fraction of a second.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::texts::Texts;
use crate::filter::networks::{Networks, is_network};

/// Sets by name.
#[derive(Clone, Debug, Default)]
pub struct Sets(HashMap<String, Arc<Set>>);

/// One compiled set.
#[derive(Debug)]
pub enum Set {
    /// Addresses and networks.
    Networks(Networks),
    /// Anything else.
    Texts(Texts),
}

impl Sets {
    /// The set of this name, or a sentence that says that there is none.
    pub fn get(&self, name: &str) -> Result<Arc<Set>, String> {
        self.0.get(name).cloned().ok_or_else(|| format!("there is no set `{name}`"))
    }

    /// Adds one.
    pub fn insert(&mut self, name: String, set: Arc<Set>) {
        self.0.insert(name, set);
    }
}

impl Set {
    /// Compiles `lines`, an entry a line: networks where each one is a network, else texts.
    pub fn compile(lines: &str) -> Result<Self, String> {
        let entries = || lines.split('\n').filter(|line| !line.is_empty());
        if entries().all(is_network) {
            let entries: Vec<&str> = entries().collect();
            Networks::build(&entries).map(Self::Networks).map_err(|text| format!("`{text}` is no network"))
        } else {
            Texts::compile(lines).map(Self::Texts)
        }
    }

    /// Whether it has a network with this address.
    pub fn has_address(&self, address: IpAddr) -> bool {
        match self {
            Self::Networks(networks) => networks.hold(Some(address)),
            Self::Texts(_) => false,
        }
    }

    /// Whether it has this text.
    pub fn has_text(&self, text: &[u8]) -> bool {
        match self {
            Self::Networks(_) => false,
            Self::Texts(texts) => texts.have(text),
        }
    }
}
