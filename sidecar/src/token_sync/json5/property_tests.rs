//! Laws of an edit, over generated files: seeded, so that a failure can be seen again.

use super::{
    parse, remove, set,
    tree::{Kind, Node},
};
use serde_json::{Value, json};

const FILES: u64 = 3_000;
const KEYS: [&str; 5] = ["gateway", "auth", "token", "a-b", "models"];

/// xorshift64*: no statistics needed, only variety.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn trivia(&mut self) -> &'static str {
        self.pick(&[
            "",
            "",
            "",
            " ",
            "\n",
            "\r\n\t",
            "  ",
            " // c, }\n",
            "/* d: { */",
            "\u{a0}",
            "//e\r\n",
        ])
    }

    fn key(&mut self) -> String {
        let key = self.pick(&KEYS);
        match self.below(4) {
            0 => format!("'{key}'"),
            1 if key != "a-b" => key.to_owned(),
            2 if key == "token" => r"\u0074oken".to_owned(),
            _ => format!("\"{key}\""),
        }
    }

    fn value(&mut self, depth: usize) -> String {
        match self.below(if depth > 4 { 1 } else { 5 }) {
            0 | 1 => self
                .pick(&[
                    "'x'", r#""new""#, "'{\"'", "null", "true", "-0x1F", "+.5", "Infinity",
                    r"'\'\n'",
                ])
                .to_owned(),
            2 => self.list(depth, '[', ']', |random, depth| random.value(depth)),
            _ => self.object(depth),
        }
    }

    fn object(&mut self, depth: usize) -> String {
        self.list(depth, '{', '}', |random, depth| {
            let (key, around, inner) = (random.key(), random.trivia(), random.trivia());
            format!("{key}{around}:{inner}{}", random.value(depth))
        })
    }

    fn list(
        &mut self,
        depth: usize,
        open: char,
        close: char,
        item: fn(&mut Self, usize) -> String,
    ) -> String {
        let mut text = format!("{open}{}", self.trivia());
        let count = self.below(5);
        for index in 0..count {
            text += &item(self, depth + 1);
            text += self.trivia();
            if index + 1 < count || self.below(3) == 0 {
                text.push(',');
            }
            text += self.trivia();
        }
        text.push(close);
        text
    }

    fn file(&mut self) -> String {
        format!("{}{}{}", self.trivia(), self.object(0), self.trivia())
    }

    fn path(&mut self) -> Vec<&'static str> {
        (0..=self.below(3)).map(|_| self.pick(&KEYS)).collect()
    }
}

/// Every value that is no object or list, as written, with the way to it. Lists what counts and
/// what does not, so that a hidden duplicate must stay too.
fn leaves(text: &str, node: &Node, way: &str, found: &mut Vec<String>) {
    match &node.kind {
        Kind::Object(object) => {
            for member in &object.members {
                let way = format!("{way}/{}", &text[member.key_span.clone()]);
                leaves(text, &member.value, &way, found);
            }
        }
        Kind::Array(items) => items.iter().for_each(|item| leaves(text, item, way, found)),
        _ => found.push(format!("{way}={}", &text[node.span.clone()])),
    }
}

fn leaves_of(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    leaves(text, &parse(text).unwrap(), "", &mut found);
    found
}

/// How often each comment stands in the text.
fn comments(text: &str) -> [usize; 3] {
    ["// c, }", "/* d: { */", "//e"].map(|comment| text.matches(comment).count())
}

/// The longest common beginning and end cover all that an edit in one place has left alone.
fn untouched(before: &str, after: &str) -> usize {
    let shared =
        |pairs: &mut dyn Iterator<Item = (u8, u8)>| pairs.take_while(|(a, b)| a == b).count();
    let start = shared(&mut before.bytes().zip(after.bytes()));
    let limit = before.len().min(after.len()) - start;
    start + shared(&mut before.bytes().rev().zip(after.bytes().rev())).min(limit)
}

#[test]
fn a_set_value_reads_back_and_nothing_else_has_changed() {
    let mut random = Random(0x5eed);
    let (mut replaced, mut inserted, mut refused) = (0, 0, 0);
    for _ in 0..FILES {
        let (text, path) = (random.file(), random.path());
        let value = random.pick(&[r#""new""#, r#"["127.0.0.1","::1"]"#, "true"]);
        let value: Value = serde_json::from_str(value).unwrap();
        let old = parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let Ok(edited) = set(&text, &path, &value) else {
            refused += 1;
            continue;
        };
        let context = || format!("{path:?} in\n{text}\nbecame\n{edited}");
        let new = parse(&edited).unwrap_or_else(|error| panic!("{error}: {}", context()));
        assert!(new.at(&path).unwrap().means(&edited, &value), "{}", context());
        assert_eq!(set(&edited, &path, &value).unwrap(), edited, "twice: {}", context());
        match old.at(&path) {
            Some(node) => {
                let kept = text.len() - node.span.len();
                assert!(untouched(&text, &edited) >= kept, "{}", context());
                replaced += 1;
            }
            None => {
                let mut left = leaves_of(&edited);
                for leaf in leaves_of(&text) {
                    let at = left.iter().position(|found| *found == leaf);
                    left.remove(at.unwrap_or_else(|| panic!("{leaf} is gone: {}", context())));
                }
                assert_eq!(comments(&edited), comments(&text), "{}", context());
                inserted += 1;
            }
        }
    }
    assert!(replaced > 200 && inserted > 200 && refused > 200, "{replaced} {inserted} {refused}");
}

#[test]
fn a_removed_member_is_gone_and_nothing_else_is() {
    let mut random = Random(0xdead);
    let mut removed = 0;
    for _ in 0..FILES {
        let (text, path) = (random.file(), random.path());
        let edited = remove(&text, &path).unwrap();
        let context = || format!("{path:?} in\n{text}\nbecame\n{edited}");
        let new = parse(&edited).unwrap_or_else(|error| panic!("{error}: {}", context()));
        assert!(new.at(&path).is_none(), "{}", context());
        if parse(&text).unwrap().at(&path).is_none() {
            assert_eq!(edited, text);
            continue;
        }
        removed += 1;
        let mut old = leaves_of(&text);
        for leaf in leaves_of(&edited) {
            let at = old.iter().position(|found| *found == leaf);
            old.remove(at.unwrap_or_else(|| panic!("{leaf} is new: {}", context())));
        }
        // What is left belonged to a member with the removed key.
        let key = path.last().unwrap();
        let gone = |leaf: &String| leaf.contains(key) || leaf.contains(r"\u0074oken");
        assert!(old.iter().all(gone), "{old:?} {}", context());
    }
    assert!(removed > 200, "{removed}");
}

#[test]
fn no_damage_to_a_file_makes_the_parser_panic_or_point_outside() {
    let mut random = Random(0xf00d);
    let junk =
        ['{', '}', '[', ',', ':', '"', '\'', '\\', '/', '*', '\n', '0', 'x', 'é', '\u{feff}'];
    for _ in 0..FILES {
        let mut chars: Vec<char> = random.file().chars().collect();
        for _ in 0..=random.below(3) {
            let at = random.below(chars.len());
            match random.below(3) {
                0 => chars.truncate(at + 1),
                1 => chars[at] = random.pick(&junk),
                _ => chars.insert(at, random.pick(&junk)),
            }
        }
        let text: String = chars.into_iter().collect();
        if let Err(error) = parse(&text) {
            let lines = text.lines().count() + text.matches('\r').count() + 1;
            assert!(error.position.line <= lines, "{error} in {text:?}");
        }
        let _ = set(&text, &["gateway", "auth", "token"], &json!("new"));
    }
}
