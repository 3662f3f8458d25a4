//! Tables of messages, by what becomes of them, and laws that hold of all.
