//! Databases for tests: written by this, in the format that the specification tells, and read by `database.rs`.

use std::collections::HashMap;

use serde_json::Value;

use super::Database;

#[derive(Clone, Copy)]
enum To {
    Nowhere,
    Node(usize),
    Record(usize),
}

/// Writes networks (`address/length`, those of IPv4 as such) with their records; branches of `width` bits.
pub(crate) fn write(width: usize, networks: &[(&str, Value)]) -> Vec<u8> {
    let (mut tree, mut data, mut keys) = (vec![[To::Nowhere; 2]], Vec::new(), HashMap::new());
    let mut networks: Vec<(u128, u32, usize)> = networks
        .iter()
        .map(|(network, record)| {
            let (address, length) = network.split_once('/').unwrap();
            let (address, length) = match (address.parse().unwrap(), length.parse::<u32>().unwrap()) {
                (std::net::IpAddr::V4(address), length) => (u128::from(address.to_bits()), 96 + length),
                (std::net::IpAddr::V6(address), length) => (address.to_bits(), length),
            };
            let at = data.len();
            value(record, &mut data, &mut keys);
            (address, length, at)
        })
        .collect();
    networks.sort_by_key(|(_, length, _)| *length); // the longer ones are cut out of the shorter
    for (address, length, record) in networks {
        let mut at = 0;
        for depth in 0..length {
            let side = usize::from(address >> (127 - depth) & 1 == 1);
            at = match tree[at][side] {
                _ if depth + 1 == length => {
                    tree[at][side] = To::Record(record);
                    break;
                }
                To::Node(next) => next,
                to @ (To::Nowhere | To::Record(_)) => {
                    tree.push([to; 2]);
                    let new = tree.len() - 1;
                    tree[at][side] = To::Node(new);
                    new
                }
            };
        }
    }
    let mut bytes = Vec::new();
    for node in &tree {
        let [left, right] = node.map(|to| match to {
            To::Nowhere => tree.len() as u64,
            To::Node(at) => at as u64,
            To::Record(at) => (tree.len() + 16 + at) as u64,
        });
        match width {
            24 => [left, right].iter().for_each(|to| bytes.extend(&to.to_be_bytes()[5..])),
            28 => {
                bytes.extend(&left.to_be_bytes()[5..]);
                bytes.push(((left >> 24) << 4 | right >> 24) as u8);
                bytes.extend(&right.to_be_bytes()[5..]);
            }
            _ => [left, right].iter().for_each(|to| bytes.extend(&to.to_be_bytes()[4..])),
        }
    }
    bytes.extend([0; 16]);
    bytes.extend(data);
    bytes.extend(b"\xab\xcd\xefMaxMind.com");
    let metadata = serde_json::json!({
        "node_count": tree.len(), "record_size": width, "ip_version": 6, "database_type": "Test",
        "binary_format_major_version": 2, "binary_format_minor_version": 0, "languages": ["en"],
    });
    value(&metadata, &mut bytes, &mut HashMap::new());
    bytes
}

/// The same, read.
pub(crate) fn made(width: usize, networks: &[(&str, Value)]) -> Database {
    Database::read(write(width, networks)).unwrap()
}

/// Writes a value; a key that was written before is pointed to where `keys` has it.
fn value(given: &Value, out: &mut Vec<u8>, keys: &mut HashMap<String, usize>) {
    match given {
        Value::Object(map) => {
            control(7, map.len(), out);
            for (key, each) in map {
                // The metadata, which begins elsewhere, has every key once.
                match keys.get(key) {
                    Some(at) => pointer(*at, out),
                    None => {
                        keys.insert(key.clone(), out.len());
                        text(key, out);
                    }
                }
                value(each, out, keys);
            }
        }
        Value::Array(all) => {
            control(11, all.len(), out);
            all.iter().for_each(|each| value(each, out, keys));
        }
        Value::String(given) => text(given, out),
        Value::Number(number) if number.is_u64() => {
            let number = number.as_u64().unwrap().to_be_bytes();
            let digits = &number[number.iter().position(|byte| *byte != 0).unwrap_or(8)..];
            control(if digits.len() <= 4 { 6 } else { 9 }, digits.len(), out);
            out.extend(digits);
        }
        Value::Number(number) => {
            control(3, 8, out);
            out.extend(number.as_f64().unwrap().to_be_bytes());
        }
        Value::Bool(truth) => control(14, usize::from(*truth), out),
        Value::Null => panic!("the format has no null"),
    }
}

fn text(given: &str, out: &mut Vec<u8>) {
    control(2, given.len(), out);
    out.extend(given.as_bytes());
}

fn pointer(to: usize, out: &mut Vec<u8>) {
    if to < 2048 {
        out.extend([0x20 | (to >> 8) as u8, to as u8]);
    } else {
        let to = to - 2048;
        out.extend([0x28 | (to >> 16) as u8, (to >> 8) as u8, to as u8]);
    }
}

fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let (short, more): (u8, Vec<u8>) = match size {
        0..29 => (size as u8, Vec::new()),
        29..285 => (29, vec![(size - 29) as u8]),
        _ => (30, ((size - 285) as u16).to_be_bytes().to_vec()),
    };
    if kind < 8 {
        out.push(kind << 5 | short);
    } else {
        out.extend([short, kind - 7]);
    }
    out.extend(more);
}
