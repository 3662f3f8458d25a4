//! One check, over a connection of its own, or with a datagram: says what the core has to say, reads until it has judged.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::io::Errno;
use tidegate_core::health::{Check, Judgement, MOST_READ};
use tidegate_core::proxy_protocol;
use tidegate_core::snapshot::compiled::Http2Out;
use tidegate_core::snapshot::document::{Probe, ProxyProtocolOut, UdpProbe};
use tokio::net::UdpSocket;

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
    if let Probe::Udp(probe) = &check.document.probe {
        return exchange(check, probe, address).await;
    }
    let step = Cell::new("accept");
    match tokio::time::timeout(check.timeout, talk(check, address, announced, http2, &step)).await {
        Ok(outcome) => outcome,
        Err(_) => Outcome::Failed(format!("it did not {} within {:?}", step.get(), check.timeout)),
    }
}

/// Sends a datagram from a socket that the kernel tells, too, when nobody listens there.
async fn exchange(check: &Check, probe: &UdpProbe, address: &str) -> Outcome {
    let waits = async {
        let address: SocketAddr = check.address(address).parse().map_err(|_| io::ErrorKind::Unsupported)?;
        let any: IpAddr = if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(address).await?;
        socket.send(&check.question("")).await?;
        let mut came = vec![0; MOST_READ];
        let len = socket.recv(&mut came).await?;
        came.truncate(len);
        Ok(came)
    };
    match tokio::time::timeout(check.timeout, waits).await {
        Ok(Ok(came)) => match check.judge(&came, true) {
            Judgement::Failed(says) => Outcome::Failed(says),
            Judgement::Passed | Judgement::Wait => Outcome::Passed,
        },
        Ok(Err(error)) if is_a_lack(&error) => Outcome::Unknown,
        Ok(Err(error)) if Errno::from_io_error(&error) == Some(Errno::CONNREFUSED) => {
            Outcome::Failed("nobody listens there".to_owned())
        }
        Ok(Err(error)) => Outcome::Failed(words(&error)),
        Err(_) if probe.answers => Outcome::Failed(format!("it did not answer within {:?}", check.timeout)),
        Err(_) => Outcome::Passed,
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
    let http2 = http2.filter(|_| matches!(check.document.probe, Probe::Http(_) | Probe::Grpc(_)));
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
