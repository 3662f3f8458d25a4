//! What can be wrong with a script, and with a lane.

/// Why a script cannot be played on.
pub(crate) enum Fault {
    /// What it says cannot happen now.
    Script(&'static str),
    /// The lane did what no lane may do.
    Lane(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Script(says) => f.write_str(says),
            Self::Lane(says) => f.write_str(says),
        }
    }
}
