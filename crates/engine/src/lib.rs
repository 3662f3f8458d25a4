//! Bytes: sockets, pools, timers, logs. It asks the core and does what it is told.

pub mod control; // the worker's side of the socket to its supervisor
