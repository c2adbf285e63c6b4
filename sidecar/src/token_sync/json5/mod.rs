//! Edits a JSON5 text in place: what is not edited stays byte for byte, comments and layout too.
//!
//! `openclaw.json` belongs to the user, who may write comments, single quotes and trailing commas.
//! Parsing and printing it again would throw those away, so [`set`], [`remove`] and [`prepend`] find the place
//! in the text and splice. The grammar is <https://spec.json5.org>. Where the two differ in
//! strictness we accept more: OpenClaw judges its own file, we only must not misread it.

mod edit;
#[cfg(test)]
mod edit_tests;
mod insert;
mod list;
mod parse;
#[cfg(test)]
mod property_tests;
mod scan;
mod tree;

pub(super) use edit::{EditError, remove, set};
pub(super) use list::prepend;
pub(super) use parse::parse;
pub(super) use tree::Node;

/// A place in a text as people count: line and column from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    line: usize,
    column: usize,
}

impl Position {
    /// The position of a byte offset. LF, CR and CRLF each end a line.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let mut position = Self { line: 1, column: 1 };
        let mut previous = '\0';
        for char in before.chars() {
            match (previous, char) {
                // The second half of a line end that was counted already.
                ('\r', '\n') => {}
                (_, '\n' | '\r') => position = Self { line: position.line + 1, column: 1 },
                // A byte order mark shows in no editor.
                (_, '\u{feff}') => {}
                _ => position.column += 1,
            }
            previous = char;
        }
        position
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// The text is not JSON5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {what}")]
pub(super) struct SyntaxError {
    pub(super) position: Position,
    what: &'static str,
}

impl SyntaxError {
    fn at(text: &str, offset: usize, what: &'static str) -> Self {
        Self { position: Position::of(text, offset), what }
    }

    /// Reads bytes as UTF-8, which JSON5 requires.
    pub(super) fn check_utf8(bytes: &[u8]) -> Result<&str, Self> {
        std::str::from_utf8(bytes).map_err(|error| {
            let (valid, _) = bytes.split_at(error.valid_up_to());
            let text = String::from_utf8_lossy(valid);
            Self::at(&text, text.len(), "this byte is not UTF-8")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Position, SyntaxError};

    #[test]
    fn positions_count_characters_and_every_kind_of_line_end() {
        let text = "\u{feff}a\r\nbé\rc\nd";
        let position = |needle| Position::of(text, text.find(needle).unwrap()).to_string();
        assert_eq!(position("a"), "line 1, column 1");
        assert_eq!(position("é"), "line 2, column 2");
        assert_eq!(position("c"), "line 3, column 1");
        assert_eq!(position("d"), "line 4, column 1");
    }

    #[test]
    fn a_byte_that_is_not_utf8_is_found() {
        let error = SyntaxError::check_utf8(b"{\n  a: '\xff'}").unwrap_err();
        assert_eq!(error.to_string(), "line 2, column 7: this byte is not UTF-8");
    }
}
