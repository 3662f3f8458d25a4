//! Expressions: conditions and texts over one request, compiled once and asked for every request. No evaluation fails.
//!
//! ```
//! use tidegate_core::rule::{Rule, Sets, Stand, Template};
//! use tidegate_core::snapshot::document;
//!
//! let written: document::Rule = serde_json::from_str(
//!     r#"{"texts": {"left": {"joined": {"header": "x-beta"}}, "is": "==", "right": {"literal": "1"}}}"#,
//! )?;
//! let rule = Rule::compile(&written, &Sets::default())?;
//! let greeting = Template::compile(&document::Template(vec![document::Text::Literal("hello".into())]), Stand::HeaderValue)?;
//! # let _ = (rule, greeting);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Then `rule.holds(&subject)`, and `greeting.write(&subject, &mut out)` for each request, where [`Subject::of`] borrows
//! what is known of it. A log's condition gives the subject an [`Answer`] as well.
//!
//! May use: head, framing, filter, geo, route, failure, regex-automata, the snapshot document. Must not know: the lane,
//! endpoints, sockets. In Rust because it runs for every request.

pub mod subject; // one request as expressions see it
pub mod repeated; // headers, cookies, query terms: by name, once or several times
pub mod text; // what gives a text
pub mod number; // what gives a number
pub mod pattern; // `matches`
pub mod texts; // many texts in little memory
pub mod set; // named sets, from a file or written out
pub mod condition; // what gives yes or no
pub mod escape; // a text for where it stands
pub mod template; // a text with holes in it

pub use condition::Rule;
pub use escape::Stand;
pub use set::{Entries, Set, Sets, read_entries};
pub use subject::{Answer, Subject};
pub use template::Template;
pub use text::Text;

/// Levels that an expression may have. Python allows fewer.
const MOST_LEVELS: usize = 64;

#[cfg(test)]
pub(crate) mod asked;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
