//! A database of places from anywhere: whatever its bytes say, each question ends, and has an answer or none.
#![no_main]

use std::net::{IpAddr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;
use tidegate_core::geo::{Database, Tells};

fuzz_target!(|input: (u128, &[u8])| {
    let (address, bytes) = input;
    let Ok(database) = Database::read(bytes.to_vec()) else { return };
    for address in [IpAddr::V6(Ipv6Addr::from_bits(address)), IpAddr::V6(Ipv6Addr::from_bits(address >> 96))] {
        let _ = (database.country(address), database.continent(address), database.asn(address));
        let _ = database.place(address);
    }
    database.tells(Tells::Place);
});
