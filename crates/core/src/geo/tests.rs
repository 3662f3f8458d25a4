//! What databases tell; and that none of them, however broken, does more harm than to tell nothing.

use std::net::IpAddr;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::written::{made, write};
use super::*;

const WIDTHS: [usize; 3] = [24, 28, 32];

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn cities() -> Vec<(&'static str, Value)> {
    let city = |country: &str, continent: &str, latitude: f64, longitude: f64| {
        json!({
            "city": {"names": {"en": "a city ".repeat(5), "de": "eine Stadt"}},
            "country": {"geoname_id": 4_294_967_295u64, "is_in_european_union": true, "iso_code": country},
            "continent": {"code": continent},
            "location": {"accuracy_radius": 100, "latitude": latitude, "longitude": longitude},
            "subdivisions": [{"iso_code": "XX"}, {"iso_code": "YY"}],
        })
    };
    vec![
        ("1.0.0.0/8", city("AU", "OC", -33.9, 151.2)),
        ("1.2.0.0/16", city("DE", "EU", 52.5, 13.4)),
        ("2001:db8::/32", city("US", "NA", 40.7, -74.0)),
        ("9.9.9.9/32", json!({"location": {"latitude": 1000.5, "longitude": 0.0}, "country": "none"})),
    ]
}

#[test]
fn an_address_has_the_record_of_its_narrowest_network() {
    for width in WIDTHS {
        let city = Some(Arc::new(made(width, &cities())));
        let asn = Some(Arc::new(made(width, &[("1.2.3.0/24", json!({"autonomous_system_number": 64_500}))])));
        let geo = Geo { asn, city, ..Geo::default() };
        let told = |address| (geo.country(ip(address)), geo.continent(ip(address)), geo.asn(ip(address)));
        assert_eq!(told("1.1.1.1"), ("AU", "OC", 0));
        assert_eq!(told("1.2.3.4"), ("DE", "EU", 64_500));
        assert_eq!(told("::ffff:1.2.3.4"), ("DE", "EU", 64_500));
        assert_eq!(told("2001:db8::1"), ("US", "NA", 0));
        assert_eq!(geo.place(ip("1.2.3.4")), Place::of(52.5, 13.4));
        for nowhere in ["3.0.0.1", "9.9.9.9", "2001:db9::1", "::"] {
            assert_eq!((told(nowhere), geo.place(ip(nowhere))), (("", "", 0), None), "{nowhere}");
        }
        assert_eq!(NOWHERE.country(ip("1.1.1.1")), "");
    }
}

#[test]
fn what_others_write_flat_is_read_too() {
    let database = made(24, &[("1.0.0.0/8", json!({"country_code": "AU", "continent_code": "OC", "asn": "AS13335"}))]);
    let at = ip("1.1.1.1");
    assert_eq!((database.country(at), database.continent(at)), (Some("AU"), Some("OC")));
    assert_eq!(database.asn(at), Some(13_335));
}

#[test]
fn a_database_says_what_it_tells() {
    let (city, asn) = (made(28, &cities()), made(24, &[("::/1", json!({"autonomous_system_number": 1}))]));
    let told = |database: &Database| [Tells::Country, Tells::Asn, Tells::Place].map(|what| database.tells(what));
    assert_eq!((told(&city), told(&asn)), ([true, false, true], [false, true, false]));
}

#[test]
fn what_is_no_database_or_not_whole_is_told() {
    let whole = write(24, &cities());
    let says = |bytes: &[u8]| Database::read(bytes.to_vec()).unwrap_err();
    let no_end = "is no MaxMind database, or not whole: its end has no metadata";
    assert_eq!(says(b""), no_end);
    assert_eq!(says(&whole[..whole.len() / 2]), no_end);
    assert_eq!(says(&whole[10..]), "is not whole: its records do not begin where its tree ends");
    assert_eq!(says(&whole[whole.len() - 200..]), "is not whole: it is shorter than its tree");
    assert_eq!(says(b"\xab\xcd\xefMaxMind.com"), "has no `node_count` in its metadata");
    for length in 0..whole.len() {
        drop(Database::read(whole[..length].to_vec()));
    }
}

/// Asks everything; what comes of it does not matter, only that it comes.
fn ask(database: &Database) {
    for address in ["1.1.1.1", "1.2.3.4", "2001:db8::1", "255.255.255.255", "::", "ffff::"].map(ip) {
        let _ =
            (database.country(address), database.continent(address), database.asn(address), database.place(address));
    }
    database.tells(Tells::Asn);
}

#[test]
fn no_single_wrong_bit_does_harm() {
    for width in WIDTHS {
        let mut bytes = write(width, &cities()[1..2]);
        for at in 0..bytes.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                if let Ok(database) = Database::read(bytes.clone()) {
                    ask(&database);
                }
                bytes[at] ^= 1 << bit;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_bytes_do_harm(
        width in prop::sample::select(&WIDTHS), junk in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..60),
    ) {
        let mut bytes = write(width, &cities());
        for (at, byte) in junk {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(database) = Database::read(bytes) {
            ask(&database);
        }
    }

    #[test]
    fn a_lookup_finds_what_a_search_finds(
        width in prop::sample::select(&WIDTHS),
        networks in prop::collection::btree_set((any::<u32>(), 1u32..33), 1..20), asked in prop::collection::vec(any::<u32>(), 20),
    ) {
        let masked: std::collections::BTreeSet<(u32, u32)> =
            networks.iter().map(|(address, length)| (address >> (32 - length) << (32 - length), *length)).collect();
        let named: Vec<(String, u32)> = masked.iter().map(|(address, length)| {
            (format!("{}/{length}", std::net::Ipv4Addr::from_bits(*address)), *length)
        }).collect();
        let records: Vec<(&str, Value)> =
            named.iter().zip(1u64..).map(|((name, _), asn)| (name.as_str(), json!({"autonomous_system_number": asn}))).collect();
        let database = made(width, &records);
        for address in asked.into_iter().chain(masked.iter().map(|(address, _)| *address)) {
            let within = |(network, length): &(u32, u32)| (network ^ address).checked_shr(32 - length).unwrap_or(0) == 0;
            let widest = masked.iter().zip(1u32..).filter(|(network, _)| within(network)).max_by_key(|((_, length), _)| *length);
            let found = database.asn(IpAddr::V4(std::net::Ipv4Addr::from_bits(address)));
            prop_assert_eq!(found, widest.map(|(_, asn)| asn));
        }
    }
}
