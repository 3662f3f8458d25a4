//! One check, over a connection of its own: connects, says what the core has to say, reads until it has judged.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;

use rustix::io::Errno;
use tidegate_core::health::{Check, Judgement, MOST_READ};
use tidegate_core::proxy_protocol;
use tidegate_core::snapshot::compiled::Http2Out;
use tidegate_core::snapshot::document::{Probe, ProxyProtocolOut};

use crate::http2::lines;
use crate::pool::stream::Stream;

/// Bytes that are read at once.
const ROOM: usize = 4096;

/// What came of a check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// The endpoint is well.
    Passed,
    /// It is not, and why.
    Failed(String),
    /// Nothing was learnt of the endpoint: we lack what a connection needs.
    Unknown,
}

/// Checks the endpoint at `address` once, within the time that a check may take.
pub(super) async fn ask(check: &Check, address: &str, announced: ProxyProtocolOut, http2: Option<Http2Out>) -> Outcome {
    let step = Cell::new("accept");
    match tokio::time::timeout(check.timeout, talk(check, address, announced, http2, &step)).await {
        Ok(outcome) => outcome,
        Err(_) => Outcome::Failed(format!("it did not {} within {:?}", step.get(), check.timeout)),
    }
}

async fn talk(
    check: &Check,
    address: &str,
    announced: ProxyProtocolOut,
    http2: Option<Http2Out>,
    step: &Cell<&'static str>,
) -> Outcome {
    let at = check.address(address);
    // What is no check by HTTP says what it has to say over the bare connection.
    let http2 = http2.filter(|_| matches!(check.document.probe, Probe::Http(_)));
    let connected = match http2 {
        Some(policy) => lines::alone(at, policy).await,
        None => Stream::connect(at).await,
    };
    let mut stream = match connected {
        Ok(stream) => stream,
        Err(error) if is_a_lack(&error) => return Outcome::Unknown,
        Err(error) => return Outcome::Failed(words(&error)),
    };
    step.set("answer");
    let mut question = Vec::new();
    // Another port speaks for itself, as with HAProxy, where `port` stops `send-proxy` for checks.
    if check.document.port.is_none() {
        proxy_protocol::write_local(&mut question, announced);
    }
    question.extend(check.question(address));
    let mut sent = 0;
    while let Some(rest) = question.get(sent..).filter(|rest| !rest.is_empty()) {
        match poll_fn(|cx| stream.poll_write(cx, [rest, &[], &[]])).await {
            Ok(more) if more > 0 => sent += more,
            // What it said before it closed can still be read.
            Ok(_) | Err(_) => break,
        }
    }
    read(check, &mut stream).await
}

async fn read(check: &Check, stream: &mut Stream) -> Outcome {
    let mut came = Vec::new();
    let mut ended = false;
    loop {
        match check.judge(&came, ended) {
            Judgement::Passed => return Outcome::Passed,
            Judgement::Failed(says) => return Outcome::Failed(says),
            Judgement::Wait if ended => return Outcome::Failed("its answer ended too soon".to_owned()),
            Judgement::Wait => {}
        }
        let at = came.len();
        came.resize(at + ROOM.min(MOST_READ - at), 0);
        let read = poll_fn(|cx| stream.poll_read(cx, came.get_mut(at..).unwrap_or_default())).await;
        match read {
            Ok(more) => {
                came.truncate(at + more);
                ended = more == 0 || came.len() >= MOST_READ;
            }
            Err(error) => return Outcome::Failed(words(&error)),
        }
    }
}

/// Whether it is we who lack a descriptor or a port.
fn is_a_lack(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::ADDRNOTAVAIL))
}

fn words(error: &io::Error) -> String {
    match Errno::from_io_error(error) {
        Some(Errno::CONNREFUSED) => "it refused the connection".to_owned(),
        Some(Errno::CONNRESET) => "it reset the connection".to_owned(),
        Some(Errno::NOENT) => "its socket is not there".to_owned(),
        Some(_) | None => format!("it cannot be reached: {error}"),
    }
}

#[cfg(test)]
#[path = "ask_tests.rs"]
mod tests;
