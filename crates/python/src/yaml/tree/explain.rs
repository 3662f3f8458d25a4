//! The parser's complaints in words that help a person.

use saphyr_parser::ScanError;

use super::Fault;

/// What `error` means for whoever wrote `text`.
pub(super) fn explain(text: &str, error: &ScanError) -> Fault {
    let (line, column) = (error.marker().line(), error.marker().col() + 1);
    let row = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let here: String = row.chars().skip(column - 1).collect();
    let word = here.find([' ', ',', ']', '}']).and_then(|end| here.get(..end)).unwrap_or(&here);
    let wide = word.chars().count().max(1);
    let info = error.info();
    if info.contains("unknown anchor") || (info.contains("anchor or alias") && here.starts_with('*')) {
        let name = word.trim_start_matches('*');
        let says = format!("`*` begins an alias in YAML, and no anchor is named `{name}`");
        return (line, column, wide, says, format!("quote it: \"{word}\""));
    }
    let tabbed = |row: &str| row.chars().take_while(|letter| letter.is_whitespace()).position(|letter| letter == '\t');
    let before = text.lines().take(line).enumerate().skip(line.saturating_sub(2));
    let tab = before.filter_map(|(at, row)| Some((at + 1, tabbed(row)? + 1))).last();
    if let (Some((line, column)), true) = (tab, info.contains("tab") || info.contains("indent") || info.contains("key"))
    {
        return (line, column, 1, "a tab in the indentation: YAML indents with spaces only".into(), String::new());
    }
    let (reason, hint) = match info {
        _ if info.contains("tab") => ("a tab stands where only spaces may", "use spaces"),
        _ if info.contains("byte order mark") => ("a byte order mark inside of the file", "delete it"),
        _ if info.contains("unprintable") => ("a character that cannot be printed", "delete it"),
        _ if info.contains("recursion limit") => ("brackets stand inside each other too deep", ""),
        _ if info.contains("unexpected character") => {
            let letter = here.chars().next().unwrap_or(' ');
            let shown = if letter == '`' { "a backquote".to_owned() } else { format!("`{letter}`") };
            return (line, column, 1, format!("no value can begin with {shown}"), format!("quote it: \"{word}\""));
        }
        _ if info.contains("in flow construct") => {
            ("a `{` or `[` above is still open here", "close it, or indent what belongs to it")
        }
        _ if info.contains("in quoted scalar") => ("the quote that opens here is not closed before the next key", ""),
        _ if info.contains("mapping values are not allowed") => {
            ("a `: ` stands inside of a value that is already text", "quote the value, or begin a new line for a key")
        }
        _ if info.contains("end of stream") => ("the quote that opens here is never closed", ""),
        _ if info.contains("unknown escape") => {
            ("`\\` begins an escape in double quotes, and this is none", "use 'single quotes'")
        }
        _ if info.contains("expected ',' or '}'") && text.contains("${") => {
            ("this mapping in `{ }` lacks a `,` or its `}` before this place", "a `${NAME}` inside of { } needs quotes")
        }
        _ if info.contains("expected ',' or '}'") => {
            ("this mapping in `{ }` lacks a `,` or its `}` before this place", "")
        }
        _ if info.contains("expected ',' or ']'") => {
            ("this list in `[ ]` lacks a `,` or its `]` before this place", "")
        }
        _ if info.contains("misplaced bracket") => ("this bracket closes nothing", ""),
        _ if info.contains("expected '-' indicator") => ("an entry of this list must begin with `- `, and line up", ""),
        _ if info.contains("did not find expected key") => {
            ("a `name: value` was expected here; check the indentation", "")
        }
        _ if info.contains("simple key expect ':'") || info.contains("simple key expected") => {
            ("a key lacks its `:`", "write `name: value`")
        }
        _ if info.contains("indent") => ("the indentation fits nothing above it", ""),
        _ if info.contains("trailing content") => ("text follows the closing quote", "quote the whole value"),
        _ if info.contains("handle wasn't declared") => ("this tag means nothing here; the only one is `!secret`", ""),
        _ => {
            return (line, column, wide, format!("this is not valid YAML: {info}"), String::new());
        }
    };
    (line, column, 1, reason.to_owned(), hint.to_owned())
}
