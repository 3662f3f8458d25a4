//! Control: the worker's side of the socket to its supervisor. Frames in, calls of [`Machine`] out, one at a time.
//!
//! Blocking std I/O on threads of its own: nothing here runs on a thread that serves. May use: rustix, serde, the
//! snapshot document. Must not know: tokio, sockets of clients, any other room of the engine. In Rust because it must
//! go on while Python is stopped.

mod machine; // what is asked of the engine
pub(crate) mod frame; // four bytes of length, then JSON; descriptors ride on the first byte
mod request; // what a supervisor may ask
mod desk; // who is the supervisor now, and doing what it asks
mod watchdog; // a thread that stands still ends the process
mod lockdown; // no core dumps
mod serve; // accepting supervisors

pub use machine::{Beat, Machine};
pub use serve::serve;

/// Reads `bytes` as a worker would read what a peer sends, and compiles the snapshots among it; for the fuzzer. Gives
/// back how many requests it understood.
pub fn understand(bytes: &[u8]) -> std::io::Result<usize> {
    let (here, there) = std::os::unix::net::UnixStream::pair()?;
    let bytes = bytes.get(..bytes.len().min(64 << 10)).unwrap_or_default(); // what the kernel's buffer holds
    std::io::Write::write_all(&mut &here, bytes)?;
    drop(here);
    let mut understood = 0;
    while let Ok(frame) = frame::read(&there, frame::MOST_FROM_SUPERVISOR) {
        let Ok((_, request)) = request::decode(&frame.body) else { continue };
        understood += 1;
        if let request::Request::Snapshot(document) = request {
            let _ = tidegate_core::snapshot::compiled::Compiled::build(*document, None);
        }
    }
    Ok(understood)
}

#[cfg(test)]
mod tests;
