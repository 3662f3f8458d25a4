//! Where a listener of layer 4 carries bytes to, as Python writes it (`python/tidegate/compile/listener.py`).

use serde::Deserialize;

use super::route::Target;

/// Where bytes are carried to.
#[derive(Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Layer4 {
    /// Without a byte either way, in milliseconds; then both sides are closed. 0 is no limit.
    pub idle_ms: u64,
    /// One upstream, or several by weight.
    pub to: Target,
}
