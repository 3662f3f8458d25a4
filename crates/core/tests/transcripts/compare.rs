//! What was done against what was expected, and what one split did against what another did.

use memchr::memmem;
use tidegate_core::framing::{ChunkLimits, ChunkReader, Piece};

use crate::notation::show;
use crate::script::{Expected, Script, Side, Step};
use crate::told::{Done, Seen};

/// Says where what was done differs from what the script expects.
pub(crate) fn with_expected(script: &Script, done: &[Done]) -> Result<(), String> {
    for (step, done) in script.steps.iter().zip(done) {
        compare_step(step, done).map_err(|says| {
            let came: Vec<String> = done.seen.iter().map(show_seen).collect();
            let waits = format!("<< waits       {}", done.waits);
            format!("{}: {says}; what came is\n{}\n{waits}", step.line, came.join("\n"))
        })?;
    }
    Ok(())
}

fn compare_step(step: &Step, done: &Done) -> Result<(), String> {
    let mut seen = done.seen.clone();
    seen.reverse();
    for expected in &step.expected {
        match (expected, seen.last_mut()) {
            (Expected::Waits(words), None) if *words == done.waits => {}
            (Expected::Waits(words), None) => return Err(format!("expected to wait for {words}")),
            (Expected::Bytes(side, notation), Some(Seen::Bytes(same, bytes))) if same == side => {
                notation.take_from(bytes).map_err(|says| format!("{says}, not `{}`", show(&notation.bytes())))?;
                if bytes.is_empty() {
                    seen.pop();
                }
            }
            (Expected::Act(act), Some(Seen::Act(same))) if words(act) == words(same) => {
                seen.pop();
            }
            (expected, _) => return Err(format!("expected {}", show_expected(expected))),
        }
    }
    if seen.is_empty() { Ok(()) } else { Err("more came than expected".into()) }
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

fn show_expected(expected: &Expected) -> String {
    match expected {
        Expected::Bytes(side, notation) => format!("{side:?} `{}`", show(&notation.bytes())),
        Expected::Act(act) => format!("`{act}`"),
        Expected::Waits(words) => format!("to wait for {words} next"),
    }
}

fn show_seen(seen: &Seen) -> String {
    match seen {
        Seen::Bytes(Side::Downstream, bytes) => format!("<< downstream  {}", show(bytes)),
        Seen::Bytes(Side::Upstream, bytes) => format!("<< upstream    {}", show(bytes)),
        Seen::Bytes(Side::Second, bytes) => format!("<< second      {}", show(bytes)),
        Seen::Act(act) => {
            let (word, rest) = act.split_once(' ').unwrap_or((act, ""));
            format!("<< {word:<11} {rest}").trim_end().to_owned()
        }
    }
}

/// Says where one way to split the input did something else than another: acts, and bytes of a side, chunk sizes apart.
pub(crate) fn with_whole(script: &Script, whole: &[Done], split: &[Done]) -> Result<(), String> {
    let (mut of_whole, mut of_split) = (Sums::default(), Sums::default());
    for ((step, whole), split) in script.steps.iter().zip(whole).zip(split) {
        let (one, other) = (of_whole.add(&whole.seen), of_split.add(&split.seen));
        if one != other {
            let line = step.line;
            return Err(format!("{line}: what came differs\n{}\n-- whole, and split\n{}", one.show(), other.show()));
        }
    }
    Ok(())
}

/// What came of a step: its acts in order, and what each side was sent.
#[derive(PartialEq, Eq, Default)]
struct Sum {
    acts: Vec<String>,
    down: Vec<u8>,
    up: Vec<u8>,
    second: Vec<u8>,
}

impl Sum {
    fn show(&self) -> String {
        let (down, up, second) = (show(&self.down), show(&self.up), show(&self.second));
        format!("{}\ndownstream {down}\nupstream   {up}\nsecond     {second}", self.acts.join("\n"))
    }
}

/// All sides' bytes on their way through the steps.
#[derive(Default)]
struct Sums {
    down: Chunks,
    up: Chunks,
    second: Chunks,
}

impl Sums {
    fn add(&mut self, seen: &[Seen]) -> Sum {
        let mut sum = Sum::default();
        for seen in seen {
            match seen {
                Seen::Bytes(Side::Downstream, bytes) => self.down.join(bytes, &mut sum.down),
                Seen::Bytes(Side::Upstream, bytes) => self.up.join(bytes, &mut sum.up),
                Seen::Bytes(Side::Second, bytes) => self.second.join(bytes, &mut sum.second),
                Seen::Act(act) => {
                    // A body that was cut, or that begins anew on another connection.
                    if act.starts_with("connect") {
                        let side = if act.ends_with("second") { &mut self.second } else { &mut self.up };
                        *side = Chunks::default();
                    }
                    sum.acts.push(act.clone());
                }
            }
        }
        sum
    }
}

/// Takes the chunk sizes out of what a side was sent: they follow from how the bytes came.
#[derive(Default)]
struct Chunks {
    body: Option<ChunkReader>,
}

impl Chunks {
    fn join(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        let limits = ChunkLimits { extension: u32::MAX, trailer: u32::MAX };
        while !bytes.is_empty() {
            let Some(reader) = &mut self.body else {
                bytes = self.take_head(bytes, out);
                continue;
            };
            let (used, piece) = reader.advance(bytes, &limits).expect("the lane writes chunks as they should be");
            match piece {
                Piece::Data { at, len } => out.extend_from_slice(&bytes[at..at + len]),
                Piece::NeedMore => {}
                Piece::End => {
                    out.extend_from_slice(b"(end)");
                    out.extend_from_slice(reader.trailers());
                    self.body = None;
                }
            }
            bytes = &bytes[used..];
        }
    }

    /// Passes what stands before a chunked body.
    fn take_head<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let coding = memmem::find(bytes, b"\r\ntransfer-encoding: chunked\r\n");
        let end = coding.and_then(|at| Some(at + memmem::find(&bytes[at..], b"\r\n\r\n")? + 4));
        if end.is_some() {
            self.body = Some(ChunkReader::default());
        }
        let (passed, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        out.extend_from_slice(passed);
        rest
    }
}
