//! `matches`: one pattern of the engine's dialect, which takes time in proportion to the text and no more.

use crate::route::patterns::Patterns;

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern(Patterns);

impl Pattern {
    /// Compiles. Fails on what is no pattern of the dialect, or takes too much memory.
    pub fn compile(pattern: &str) -> Result<Self, String> {
        let says = |says| format!("the pattern `{pattern}` is wrong: {says}");
        Patterns::build(&[pattern]).map(Self).map_err(says)
    }

    /// Whether it is found in `text`.
    pub fn is_in(&self, text: &[u8]) -> bool {
        self.0.find(text).is_some()
    }
}
