//! The compiled configuration: immutable, typed, versioned. Python builds the document, the core decodes it once.

pub mod document; // what Python writes, field by field
pub mod compiled; // what the road reads
