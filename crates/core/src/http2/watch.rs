//! What a peer sends besides requests, and how much of it is a flood.
//!
//! The codec bounds what it must keep: header blocks and their CONTINUATIONs, streams, tiny DATA frames, resets of ours.
//! What costs it nothing to keep costs time all the same: here the headers of frames are counted as they come by.

use super::Farewell;

/// A frame's header (RFC 9113, section 4.1).
const HEADER: usize = 9;

/// Bytes before the first frame of a client.
const PREFACE: usize = 24;

/// Frames that serve no stream, beyond what comes with work: so many are no flood.
const CHATTER: u64 = 1000;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

/// Counts frames in windows of time.
#[derive(Debug)]
pub struct Watch {
    /// Bytes to come that belong to no header.
    skip: usize,
    header: [u8; HEADER],
    have: usize,
    streams: u64,
    resets: u64,
    chatter: u64,
    work: u64,
    /// Most resets in a window, where they are most of its streams; 0 is no limit.
    most_resets: u64,
}

impl Watch {
    /// Watches a client, from its first byte.
    pub fn of_client(most_resets: u64) -> Self {
        Self { skip: PREFACE, most_resets, ..Self::of_server() }
    }

    /// Watches a server, which may reset as it likes.
    pub fn of_server() -> Self {
        let (streams, resets, chatter, work) = (0, 0, 0, 0);
        Self { skip: 0, header: [0; HEADER], have: 0, streams, resets, chatter, work, most_resets: 0 }
    }

    /// A new window of time begins.
    pub fn turn_page(&mut self) {
        (self.streams, self.resets, self.chatter, self.work) = (0, 0, 0, 0);
    }

    /// So many bytes were written: who is sent much may say much.
    pub fn wrote(&mut self, bytes: usize) {
        self.work += bytes as u64 / 100;
    }

    /// What the peer floods with, if it does.
    pub fn flood(&self) -> Option<Farewell> {
        if self.most_resets > 0 && self.resets > self.most_resets && self.resets * 2 > self.streams {
            return Some(Farewell::Resets);
        }
        (self.chatter > CHATTER + self.work).then_some(Farewell::Chatter)
    }

    /// Looks at bytes as they come.
    pub fn see(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.skip > 0 {
                let n = self.skip.min(rest.len());
                self.skip -= n;
                rest = rest.get(n..).unwrap_or_default();
                continue;
            }
            let n = (HEADER - self.have).min(rest.len());
            let (now, later) = rest.split_at(n);
            if let Some(room) = self.header.get_mut(self.have..self.have + n) {
                room.copy_from_slice(now);
            }
            self.have += n;
            rest = later;
            if self.have == HEADER {
                self.have = 0;
                let [a, b, c, kind, ..] = self.header;
                self.skip = u32::from_be_bytes([0, a, b, c]) as usize;
                self.count(kind);
            }
        }
    }

    fn count(&mut self, kind: u8) {
        match kind {
            HEADERS => {
                self.streams += 1;
                self.work += 4;
            }
            DATA => self.work += 1,
            RST_STREAM => self.resets += 1,
            WINDOW_UPDATE | CONTINUATION => {}
            _ => self.chatter += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: usize) -> Vec<u8> {
        let [_, a, b, c] = u32::try_from(payload).unwrap().to_be_bytes();
        let mut frame = vec![a, b, c, kind, 0, 0, 0, 0, 1];
        frame.resize(HEADER + payload, 0xff);
        frame
    }

    /// A client whose preface has come.
    fn client(most_resets: u64) -> Watch {
        let mut watch = Watch::of_client(most_resets);
        watch.see(&[0; PREFACE]);
        watch
    }

    #[test]
    fn frames_are_told_apart_however_they_are_cut() {
        let mut bytes = vec![b'x'; PREFACE];
        for (kind, payload) in [(HEADERS, 30), (DATA, 300), (6, 8), (RST_STREAM, 4), (4, 0), (HEADERS, 1)] {
            bytes.extend(frame(kind, payload));
        }
        for step in [1, 7, 9, bytes.len()] {
            let mut watch = Watch::of_client(1);
            bytes.chunks(step).for_each(|piece| watch.see(piece));
            assert_eq!((watch.streams, watch.resets, watch.chatter, watch.work), (2, 1, 2, 9), "{step}");
        }
    }

    #[test]
    fn who_resets_most_of_what_it_begins_floods() {
        let mut watch = client(10);
        for n in 0..11 {
            assert_eq!(watch.flood(), None, "{n}");
            watch.see(&frame(HEADERS, 5));
            watch.see(&frame(RST_STREAM, 4));
        }
        assert_eq!(watch.flood(), Some(Farewell::Resets));
        watch.turn_page();
        assert_eq!(watch.flood(), None);
    }

    #[test]
    fn who_resets_a_few_of_many_does_not() {
        let mut watch = client(10);
        (0..100).for_each(|_| watch.see(&frame(HEADERS, 5)));
        (0..40).for_each(|_| watch.see(&frame(RST_STREAM, 4)));
        assert_eq!(watch.flood(), None);
    }

    #[test]
    fn chatter_is_weighed_against_work() {
        let mut watch = Watch::of_server();
        (0..=CHATTER).for_each(|_| watch.see(&frame(6, 8)));
        assert_eq!(watch.flood(), Some(Farewell::Chatter));
        watch.wrote(100_000);
        assert_eq!(watch.flood(), None);
    }
}
