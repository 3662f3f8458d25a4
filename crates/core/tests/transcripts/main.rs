//! Plays the transcripts of `tests/transcripts/h1` on a lane, with fakes for sockets, time and dice; how they are
//! written is told in `tests/transcripts/README.md`. `TRANSCRIPT=word` plays those alone whose name holds the word.

mod notation; // bytes as a person writes them
mod script; // a transcript's text as steps
mod setting; // the configuration that its first lines tell
mod split; // how the bytes of the input come
mod socket; // a socket that does what a script says
mod fault; // what can be wrong with a script, and with a lane
mod player; // plays a transcript's input on a lane
mod told; // what a lane did, in the words of a transcript
mod compare; // what was done against what was expected

use std::path::{Path, PathBuf};

use script::Script;
use split::Split;

#[test]
fn each_transcript_holds() {
    for_each_script(|script| {
        let done = player::play(script, Split::Whole)?;
        compare::with_expected(script, &done)
    });
}

#[test]
fn no_split_of_the_bytes_changes_what_is_done() {
    for_each_script(|script| {
        if script.unsplit {
            return Ok(());
        }
        let whole = player::play(script, Split::Whole)?;
        for split in split::all(script) {
            let done = player::play(script, split).map_err(|says| format!("{split:?}: {says}"))?;
            compare::with_whole(script, &whole, &done).map_err(|says| format!("{split:?}: {says}"))?;
        }
        Ok(())
    });
}

fn for_each_script(check: impl Fn(&Script) -> Result<(), String>) {
    let word = std::env::var("TRANSCRIPT").unwrap_or_default();
    let paths: Vec<PathBuf> = transcripts().into_iter().filter(|path| path.to_string_lossy().contains(&word)).collect();
    assert!(!paths.is_empty(), "no transcript has `{word}` in its name");
    let mut faults = Vec::new();
    for path in &paths {
        let text = std::fs::read_to_string(path).expect("a transcript is readable text");
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if let Err(says) = Script::read(&text).and_then(|script| check(&script)) {
            faults.push(format!("{name}:{says}"));
        }
    }
    assert!(
        faults.is_empty(),
        "{} of {} transcripts do not hold\n\n{}",
        faults.len(),
        paths.len(),
        faults.join("\n\n")
    );
}

fn transcripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/transcripts/h1");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("tests/transcripts/h1 is there")
        .map(|entry| entry.expect("the folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    paths
}
