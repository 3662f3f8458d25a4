//! Where clients are, by databases in MaxMind's format.
//!
//! May use: nothing of core. Must not know: files, requests. In Rust because it runs for requests.

pub mod section; // values as the format writes them
pub mod database; // what is known of an address
pub mod place; // a place on the ground

use std::net::IpAddr;
use std::sync::Arc;

pub use database::{Database, Tells};
pub use place::Place;

/// The databases of a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Geo {
    /// Tells countries and continents.
    pub country: Option<Arc<Database>>,
    /// Tells autonomous systems.
    pub asn: Option<Arc<Database>>,
    /// Tells places; and countries, where no other database does.
    pub city: Option<Arc<Database>>,
}

/// No database at all.
pub static NOWHERE: Geo = Geo { country: None, asn: None, city: None };

impl Geo {
    /// The country's code (ISO 3166-1, two letters); empty where it is not known.
    pub fn country(&self, address: IpAddr) -> &str {
        self.of_country().and_then(|database| database.country(address)).unwrap_or("")
    }

    /// The continent's code: `AF`, `AN`, `AS`, `EU`, `NA`, `OC`, `SA`; empty where it is not known.
    pub fn continent(&self, address: IpAddr) -> &str {
        self.of_country().and_then(|database| database.continent(address)).unwrap_or("")
    }

    /// The number of the autonomous system; 0 where it is not known.
    pub fn asn(&self, address: IpAddr) -> u32 {
        self.asn.as_deref().and_then(|database| database.asn(address)).unwrap_or(0)
    }

    /// Where an address is.
    pub fn place(&self, address: IpAddr) -> Option<Place> {
        self.city.as_deref()?.place(address)
    }

    fn of_country(&self) -> Option<&Database> {
        self.country.as_deref().or(self.city.as_deref())
    }
}

#[cfg(test)]
mod tests; // what databases tell, and that broken ones do no harm
#[cfg(test)]
pub(crate) mod written; // databases for tests
