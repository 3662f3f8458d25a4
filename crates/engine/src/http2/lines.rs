//! The connections of HTTP/2 that a thread has to endpoints. Each carries many streams; another one is made where none has
//! room, and whoever comes meanwhile waits for it.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use rustc_hash::FxHashMap;
use tidegate_core::snapshot::compiled::Http2Out;
use tokio::sync::Notify;

use super::line::Line;
use crate::pool::stream::Stream;

/// A thread's connections of HTTP/2, by endpoint id.
#[derive(Default)]
pub struct Lines {
    of: FxHashMap<u32, Vec<Rc<Line>>>,
    /// Those that are being made.
    coming: FxHashMap<u32, Rc<Notify>>,
}

/// A thread's connections of HTTP/2, shared by whoever waits for one.
pub type Shared = Rc<RefCell<Lines>>;

impl Lines {
    /// A stream on a connection that is there; `most` streams at once.
    pub fn begin(&mut self, endpoint: u32, most: u32) -> Option<Stream> {
        let lines = self.of.get_mut(&endpoint)?;
        let begun = lines.iter().find_map(|line| line.begin(most as usize));
        if begun.is_none() {
            lines.retain(|line| !line.is_closed());
        }
        begun
    }

    /// Forgets connections on which nothing may begin.
    pub fn sweep(&mut self) {
        self.of.retain(|_, lines| {
            lines.retain(|line| !line.is_closed());
            !lines.is_empty()
        });
    }
}

/// The connection to an endpoint that is being made: whoever waits for it is woken when it is, or cannot be.
struct Coming<'a> {
    lines: &'a RefCell<Lines>,
    endpoint: u32,
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        if let Some(notify) = self.lines.borrow_mut().coming.remove(&self.endpoint) {
            notify.notify_waiters();
        }
    }
}

/// A stream to an endpoint, over a connection that is there, or one that is made.
pub async fn open(lines: Shared, endpoint: u32, address: String, policy: Http2Out) -> io::Result<Stream> {
    loop {
        let waits = {
            let mut lines = lines.borrow_mut();
            if let Some(stream) = lines.begin(endpoint, policy.streams) {
                return Ok(stream);
            }
            let waits = lines.coming.get(&endpoint).map(Rc::clone);
            if waits.is_none() {
                lines.coming.insert(endpoint, Rc::default());
            }
            waits
        };
        match waits {
            Some(notify) => notify.notified().await,
            None => {
                let coming = Coming { lines: &lines, endpoint };
                let line = Line::connect(address.clone(), policy).await?;
                lines.borrow_mut().of.entry(endpoint).or_default().push(line);
                drop(coming);
            }
        }
    }
}

/// A stream over a connection of its own.
pub async fn alone(address: String, policy: Http2Out) -> io::Result<Stream> {
    let line = Line::connect(address, policy).await?;
    let begun = line.begin(1).ok_or_else(|| io::ErrorKind::ConnectionAborted.into());
    line.close();
    begun
}
