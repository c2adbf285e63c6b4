//! The lexical half of JSON5: white space, comments, strings, numbers, identifiers.

use super::SyntaxError;

pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The byte offset of what comes next.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    pub(super) fn error(&self, what: &'static str) -> SyntaxError {
        self.error_at(self.at, what)
    }

    pub(super) fn error_at(&self, offset: usize, what: &'static str) -> SyntaxError {
        SyntaxError::at(self.text, offset, what)
    }

    /// Skips white space and comments. Returns where the last comment ends, if there was one.
    pub(super) fn trivia(&mut self) -> Result<Option<usize>, SyntaxError> {
        let mut last_comment = None;
        loop {
            let start = self.at;
            if self.eat_text("//") {
                self.skip_while(|char| !is_line_end(char));
                last_comment = Some(self.at);
            } else if self.eat_text("/*") {
                let unclosed = || SyntaxError::at(self.text, start, "this comment is not closed");
                self.at += self.rest().find("*/").ok_or_else(unclosed)? + "*/".len();
                last_comment = Some(self.at);
            } else if self.peek().is_some_and(is_space) {
                self.skip_while(is_space);
            } else {
                return Ok(last_comment);
            }
        }
    }

    /// A string, from its opening quote to its closing one.
    pub(super) fn string(&mut self, quote: char) -> Result<String, SyntaxError> {
        let start = self.at;
        self.eat(quote);
        let mut value = String::new();
        loop {
            match self.bump() {
                None | Some('\n' | '\r') => {
                    return Err(self.error_at(start, "this string is not closed on its line"));
                }
                Some('\\') => value.extend(self.escape()?),
                Some(char) if char == quote => return Ok(value),
                Some(char) => value.push(char),
            }
        }
    }

    /// What stands behind a backslash in a string; nothing for a line continuation.
    fn escape(&mut self) -> Result<Option<char>, SyntaxError> {
        let start = self.at;
        Ok(Some(match self.bump() {
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('v') => '\u{b}',
            Some('x') => char::from_u32(self.hex(2)?).unwrap_or(char::REPLACEMENT_CHARACTER),
            Some('u') => self.unicode_escape()?,
            Some('0') if !self.peek().is_some_and(|next| next.is_ascii_digit()) => '\0',
            Some('\r') => {
                self.eat('\n');
                return Ok(None);
            }
            Some(char) if is_line_end(char) => return Ok(None),
            Some(char) if !char.is_ascii_digit() => char,
            _ => return Err(self.error_at(start, "this escape is not one of JSON5")),
        }))
    }

    /// The digits behind `\u`, two such escapes where they are a surrogate pair. Half a pair, which
    /// no Rust string can hold, becomes U+FFFD: it is only compared, never written.
    fn unicode_escape(&mut self) -> Result<char, SyntaxError> {
        let first = self.hex(4)?;
        let behind = self.at;
        if (0xd800..0xdc00).contains(&first) && self.eat_text("\\u") {
            let second = self.hex(4)?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = behind;
        }
        Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex(&mut self, digits: usize) -> Result<u32, SyntaxError> {
        let found = self.text.get(self.at..self.at + digits);
        let found = found.filter(|found| found.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let value = found.and_then(|found| u32::from_str_radix(found, 16).ok());
        let value = value.ok_or_else(|| self.error("expected hexadecimal digits"))?;
        self.at += digits;
        Ok(value)
    }

    /// A number in any of JSON5's forms. Its value is never asked for.
    pub(super) fn number(&mut self) -> Result<(), SyntaxError> {
        let start = self.at;
        if !self.eat('+') {
            self.eat('-');
        }
        let known = if self.eat_text("Infinity") || self.eat_text("NaN") {
            true
        } else if self.eat_text("0x") || self.eat_text("0X") {
            self.skip_while(|char| char.is_ascii_hexdigit()) > 0
        } else {
            self.decimal()
        };
        if known && !self.peek().is_some_and(is_identifier_part) {
            Ok(())
        } else {
            Err(self.error_at(start, "this is not a number"))
        }
    }

    fn decimal(&mut self) -> bool {
        let zero_first = self.peek() == Some('0');
        let whole = self.digits();
        let fraction = if self.eat('.') { self.digits() } else { 0 };
        let exponent_fits = !(self.eat('e') || self.eat('E')) || {
            if !self.eat('+') {
                self.eat('-');
            }
            self.digits() > 0
        };
        whole + fraction > 0 && !(zero_first && whole > 1) && exponent_fits
    }

    fn digits(&mut self) -> usize {
        self.skip_while(|char| char.is_ascii_digit())
    }

    /// An unquoted key, or a word like `true`.
    pub(super) fn identifier(&mut self) -> Result<String, SyntaxError> {
        let mut name = String::new();
        loop {
            let start = self.at;
            let char = match self.peek() {
                Some('\\') => {
                    self.at += 1;
                    if !self.eat('u') {
                        return Err(self.error_at(start, "expected \\u and four digits"));
                    }
                    self.unicode_escape()?
                }
                Some(char) if is_identifier_part(char) => {
                    self.at += char.len_utf8();
                    char
                }
                _ if name.is_empty() => return Err(self.error("expected a key or `}`")),
                _ => return Ok(name),
            };
            if name.is_empty() && char.is_ascii_digit() {
                return Err(self.error_at(start, "a key that begins with a digit needs quotes"));
            }
            name.push(char);
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn bump(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.at += char.len_utf8();
        Some(char)
    }

    fn eat_text(&mut self, wanted: &str) -> bool {
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len();
        }
        found
    }

    /// Returns how many bytes it skipped.
    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) -> usize {
        let rest = self.rest();
        let length = rest.find(|char| !wanted(char)).unwrap_or(rest.len());
        self.at += length;
        length
    }
}

/// A byte order mark is white space, anywhere.
fn is_space(char: char) -> bool {
    char.is_whitespace() || char == '\u{feff}'
}

fn is_line_end(char: char) -> bool {
    matches!(char, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}

/// JSON5 wants certain Unicode categories here. Any character outside ASCII that is no white space
/// is taken instead: nothing else than a key can stand where a key stands.
pub(super) fn is_identifier_part(char: char) -> bool {
    match char {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '$' | '_' => true,
        _ => !char.is_ascii() && !is_space(char),
    }
}
