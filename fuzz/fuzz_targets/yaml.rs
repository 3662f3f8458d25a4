//! The text of a configuration: no panic, every fault and every node at a place that the text has, and nothing deeper or
//! larger than the bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/python/src/yaml/tree/mod.rs"]
#[expect(dead_code, reason = "what a string holds is the binding's business")]
mod tree;

use tree::{Key, Node, Scalar, Value};

/// Counts `node` and what it holds, as often as it stands there; fails where a place is none.
fn walk(node: &Node, lines: usize, level: usize) -> usize {
    assert!(level <= 64 && node.start <= node.end);
    assert!((1..=lines).contains(&node.start.0) && node.start.1 >= 1 && node.end.0 <= lines);
    1 + match &node.value {
        Value::Plain(scalar, text) => check(scalar, text),
        Value::Quoted(_) | Value::Secret(_) => 0,
        Value::List(items) => items.iter().map(|item| walk(item, lines, level + 1)).sum(),
        Value::Map(entries) => entries.iter().map(|(key, value)| key_and(key, value, lines, level)).sum(),
    }
}

/// Fails where a scalar without quotes is not what its text says.
fn check(scalar: &Scalar, text: &str) -> usize {
    let has_digit = text.contains(|letter: char| letter.is_ascii_hexdigit());
    assert!(match scalar {
        Scalar::Null => matches!(text, "" | "~") || text.eq_ignore_ascii_case("null"),
        Scalar::Truth(truth) => text.eq_ignore_ascii_case(&truth.to_string()),
        Scalar::Whole(whole) => has_digit && (*whole < 0) <= text.starts_with('-'),
        Scalar::Real(real) => real.is_finite() <= has_digit,
        Scalar::Text => true,
    });
    0
}

fn key_and(key: &Key, value: &Node, lines: usize, level: usize) -> usize {
    assert!(!key.name.is_empty() && (1..=lines).contains(&key.start.0) && key.end_column > key.start.1);
    walk(value, lines, level + 1)
}

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    // One more than there are line ends, and one for what is missing behind the last.
    let lines = text.chars().filter(|letter| matches!(letter, '\r' | '\n')).count() + 2;
    let (root, faults) = tree::read(text);
    for (line, column, width, says, _hint) in &faults {
        assert!((1..=lines).contains(line) && *column >= 1 && *width >= 1 && !says.is_empty());
    }
    if let Some(root) = root {
        assert!(walk(&root, lines, 0) <= text.len() + 100_000 + 1);
    }
});
