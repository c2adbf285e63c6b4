//! The grammar half of JSON5: objects, arrays, values.

use std::ops::Range;

use super::{
    SyntaxError,
    scan::{Scanner, is_identifier_part},
    tree::{Kind, Member, Node, Object},
};

/// How deep objects and arrays may nest: far beyond any configuration, far below the stack's end.
const DEEPEST: usize = 128;

/// Parses a whole text: one value, white space and comments around it.
pub(in crate::token_sync) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let mut parser = Parser { scanner: Scanner::new(text), depth: 0 };
    parser.scanner.trivia()?;
    let root = parser.value()?;
    parser.scanner.trivia()?;
    match parser.scanner.peek() {
        None => Ok(root),
        Some(_) => Err(parser.scanner.error("expected the end of the file")),
    }
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    depth: usize,
}

impl Parser<'_> {
    fn value(&mut self) -> Result<Node, SyntaxError> {
        let start = self.scanner.offset();
        let kind = match self.scanner.peek() {
            Some('{') => self.nested(Self::object)?,
            Some('[') => self.nested(Self::array)?,
            Some(quote @ ('"' | '\'')) => Kind::String(self.scanner.string(quote)?),
            Some('+' | '-' | '.' | '0'..='9' | 'I' | 'N') => {
                self.scanner.number()?;
                Kind::Number
            }
            Some(char) if is_identifier_part(char) => self.word()?,
            None => return Err(self.scanner.error("expected a value, the file ends here")),
            Some(_) => return Err(self.scanner.error("expected a value")),
        };
        Ok(Node { span: start..self.scanner.offset(), kind })
    }

    fn word(&mut self) -> Result<Kind, SyntaxError> {
        let start = self.scanner.offset();
        match self.scanner.identifier()?.as_str() {
            "true" => Ok(Kind::Bool(true)),
            "false" => Ok(Kind::Bool(false)),
            "null" => Ok(Kind::Null),
            _ => Err(self.scanner.error_at(start, "expected a value: a string needs quotes")),
        }
    }

    fn nested(
        &mut self,
        inner: fn(&mut Self) -> Result<Kind, SyntaxError>,
    ) -> Result<Kind, SyntaxError> {
        if self.depth == DEEPEST {
            return Err(self.scanner.error("nested too deeply"));
        }
        self.depth += 1;
        let kind = inner(self);
        self.depth -= 1;
        kind
    }

    fn array(&mut self) -> Result<Kind, SyntaxError> {
        self.scanner.eat('[');
        let mut items = Vec::new();
        loop {
            self.scanner.trivia()?;
            if self.scanner.eat(']') {
                return Ok(Kind::Array(items));
            }
            items.push(self.value()?);
            self.scanner.trivia()?;
            if !self.scanner.eat(',') && self.scanner.peek() != Some(']') {
                return Err(self.scanner.error("expected `,` or `]`"));
            }
        }
    }

    fn object(&mut self) -> Result<Kind, SyntaxError> {
        self.scanner.eat('{');
        let mut members = Vec::new();
        let mut content_end = self.scanner.offset();
        loop {
            content_end = self.scanner.trivia()?.unwrap_or(content_end);
            if self.scanner.eat('}') {
                return Ok(Kind::Object(Object { members, content_end }));
            }
            let (key, key_span) = self.key()?;
            self.scanner.trivia()?;
            if !self.scanner.eat(':') {
                return Err(self.scanner.error("expected `:`"));
            }
            self.scanner.trivia()?;
            let value = self.value()?;
            content_end = self.scanner.trivia()?.unwrap_or(value.span.end);
            let comma = self.scanner.offset();
            let comma = self.scanner.eat(',').then_some(comma);
            match comma {
                Some(comma) => content_end = comma + 1,
                None if self.scanner.peek() == Some('}') => {}
                None => return Err(self.scanner.error("expected `,` or `}`")),
            }
            members.push(Member { key, key_span, value, comma });
        }
    }

    fn key(&mut self) -> Result<(String, Range<usize>), SyntaxError> {
        let start = self.scanner.offset();
        let key = match self.scanner.peek() {
            Some(quote @ ('"' | '\'')) => self.scanner.string(quote)?,
            _ => self.scanner.identifier()?,
        };
        Ok((key, start..self.scanner.offset()))
    }
}

#[cfg(test)]
mod tests {
    use super::{DEEPEST, parse};
    use serde_json::json;

    #[test]
    fn every_form_of_a_value_is_read() {
        for (text, value) in [
            (r#" "a\"b" "#, json!("a\"b")),
            (r"'it\'s'", json!("it's")),
            ("'line\\\ncontinued\\\r\ntwice'", json!("linecontinuedtwice")),
            (r"'\x41\u0042\v\0\A\q'", json!("AB\u{b}\0Aq")),
            (r"'\ud83d\ude00 \ud83d'", json!("\u{1f600} \u{fffd}")),
            ("'\u{2028}'", json!("\u{2028}")),
            ("// c\n/* d **/ true /* e */ // f", json!(true)),
            ("\u{feff}null\u{a0}", json!(null)),
            ("[1,'2',[],{},]", json!([1, "2", [], {}])),
            (r#"{a:1,'b':"2","c":null,}"#, json!({"a": 1, "b": "2", "c": null})),
            (r"{\u0061b\u0063: 1, $_é: 2}", json!({"abc": 1, "$_é": 2})),
            ("{a: 1, a: 2}", json!({"a": 2})),
            ("{null: 1, true: 2, Infinity: 3}", json!({"null": 1, "true": 2, "Infinity": 3})),
        ] {
            let node = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!(node.means(text, &value), "{text}: {node:?}");
        }
        for number in ["0", "-0", "+1", ".5", "5.", "1.5e-3", "1E+9", "0xdecaF", "-0X1", "Infinity"]
        {
            parse(number).unwrap_or_else(|error| panic!("{number}: {error}"));
            parse(&format!("[{number}, -Infinity, +NaN, NaN]")).unwrap();
        }
    }

    #[test]
    fn what_is_not_json5_is_refused_at_its_place() {
        for (text, error) in [
            ("", "line 1, column 1: expected a value, the file ends here"),
            ("// only this", "line 1, column 13: expected a value, the file ends here"),
            ("{", "line 1, column 2: expected a key or `}`"),
            ("{\n  a: 1\n  b: 2\n}", "line 3, column 3: expected `,` or `}`"),
            ("{a 1}", "line 1, column 4: expected `:`"),
            ("{a: }", "line 1, column 5: expected a value"),
            ("{a: b}", "line 1, column 5: expected a value: a string needs quotes"),
            ("{,}", "line 1, column 2: expected a key or `}`"),
            ("{a: 1,,}", "line 1, column 7: expected a key or `}`"),
            ("{1a: 1}", "line 1, column 2: a key that begins with a digit needs quotes"),
            ("[1 2]", "line 1, column 4: expected `,` or `]`"),
            ("[,]", "line 1, column 2: expected a value"),
            ("'it''s'", "line 1, column 5: expected the end of the file"),
            ("{} {}", "line 1, column 4: expected the end of the file"),
            ("{a: 'b}\n", "line 1, column 5: this string is not closed on its line"),
            ("{a: '\\1'}", "line 1, column 7: this escape is not one of JSON5"),
            ("{a: '\\u12'}", "line 1, column 8: expected hexadecimal digits"),
            ("{a: '\\x1é'}", "line 1, column 8: expected hexadecimal digits"),
            ("{\\x61: 1}", "line 1, column 2: expected \\u and four digits"),
            ("{} /* never", "line 1, column 4: this comment is not closed"),
            ("{} /*/", "line 1, column 4: this comment is not closed"),
            ("{} /", "line 1, column 4: expected the end of the file"),
        ] {
            assert_eq!(parse(text).map(|_| ()).unwrap_err().to_string(), error, "{text:?}");
        }
        for number in ["01", ".", "-", "1e", "0x", "0xg", "1a", "--1", "+ 1", "Infinit", "1_000"] {
            let error = parse(number).unwrap_err().to_string();
            assert_eq!(error, "line 1, column 1: this is not a number", "{number}");
        }
    }

    #[test]
    fn deep_nesting_is_an_error_and_no_overflow() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        parse(&nested(DEEPEST)).unwrap();
        let error = parse(&nested(DEEPEST + 1)).unwrap_err().to_string();
        assert!(error.ends_with("nested too deeply"), "{error}");
        parse(&"[{a:".repeat(1_000_000)).unwrap_err();
    }
}
