//! Bytes: sockets, pools, timers, logs. It asks the core and does what it is told.
