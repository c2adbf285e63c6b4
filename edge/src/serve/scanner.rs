//! Follows the bytes of an HTTP/1 connection just far enough to find each request's head, and lets
//! none pass before it is whole and checked ([`super::head`]). Bodies pass as they come.

use super::head::{self, BadHead, Follows};

/// Where one connection is in its current request.
#[derive(Debug)]
pub(super) struct Scanner {
    place: Place,
    /// Longest head, and longest trailer section.
    most: usize,
    /// No head has been whole yet.
    first: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In a head, of which so many bytes hold no end.
    Head(usize),
    /// In a body of which so many bytes are to come.
    Length(u64),
    Chunks(Chunks),
    /// Behind a head that asked for another protocol.
    Answer,
    /// What follows is no HTTP/1.
    Raw,
}

/// Where in a chunked body (RFC 9112 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunks {
    /// In a chunk's size: its digits so far.
    Size {
        digits: u8,
        size: u64,
    },
    /// In an extension, which ends with the line; so many bytes of it were read.
    Extension {
        size: u64,
        read: usize,
    },
    SizeEnd(u64),
    Data(u64),
    DataReturn,
    DataEnd,
    /// In a trailer section of so many bytes, in a line of so many.
    Trailer {
        read: usize,
        line: usize,
    },
    TrailerEnd {
        read: usize,
        line: usize,
    },
}

/// What cannot pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    Head(BadHead),
    /// A chunked body that is none. Its request is under way already.
    Chunks,
}

impl Scanner {
    pub(super) fn new(most: usize) -> Self {
        Self { place: Place::Head(0), most, first: true }
    }

    /// How many of `bytes` may pass, and what is wrong with those behind. `bytes` begin where those
    /// that have passed ended: a head that is not whole is given again, with more.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> (usize, Result<(), Bad>) {
        let mut passed = 0;
        while let Some(rest) = bytes.get(passed..).filter(|rest| !rest.is_empty()) {
            match self.step(rest) {
                Ok(0) => break,
                Ok(count) => passed += count,
                Err(bad) => return (passed, Err(bad)),
            }
        }
        (passed, Ok(()))
    }

    /// Whether the next byte begins a request.
    pub(super) fn is_between_requests(&self) -> bool {
        self.place == Place::Head(0)
    }

    /// Whether no request has been whole yet.
    pub(super) fn is_at_first_head(&self) -> bool {
        self.first
    }

    /// Whether the last head asked for another protocol.
    pub(super) fn awaits_answer(&self) -> bool {
        self.place == Place::Answer
    }

    pub(super) fn is_raw(&self) -> bool {
        self.place == Place::Raw
    }

    /// The last head's wish was not granted.
    pub(super) fn go_on(&mut self) {
        self.place = Place::Head(0);
    }

    /// From here on another protocol is spoken.
    pub(super) fn give_up(&mut self) {
        self.place = Place::Raw;
    }

    fn step(&mut self, bytes: &[u8]) -> Result<usize, Bad> {
        match self.place {
            Place::Head(searched) => self.head(bytes, searched).map_err(Bad::Head),
            Place::Length(left) => {
                let count = at_most(left, bytes);
                self.place = match left - count as u64 {
                    0 => Place::Head(0),
                    left => Place::Length(left),
                };
                Ok(count)
            }
            Place::Chunks(Chunks::Data(left)) => {
                let count = at_most(left, bytes);
                self.place = Place::Chunks(match left - count as u64 {
                    0 => Chunks::DataReturn,
                    left => Chunks::Data(left),
                });
                Ok(count)
            }
            Place::Chunks(chunks) => {
                let byte = bytes.first().copied().unwrap_or_default();
                self.place = self.chunks(chunks, byte).ok_or(Bad::Chunks)?;
                Ok(1)
            }
            Place::Answer => Ok(0),
            Place::Raw => Ok(bytes.len()),
        }
    }

    fn head(&mut self, bytes: &[u8], searched: usize) -> Result<usize, BadHead> {
        let end = end_of_head(bytes, searched)?;
        if end.unwrap_or(bytes.len()) > self.most {
            return Err(BadHead::TooLarge);
        }
        let Some(end) = end else {
            self.place = Place::Head(bytes.len());
            return Ok(0);
        };
        let head = bytes.get(..end).unwrap_or_default();
        self.place = if self.first && head == head::HTTP_2 {
            Place::Raw
        } else {
            match head::check(head)? {
                Follows::Head => Place::Head(0),
                Follows::Length(length) => Place::Length(length),
                Follows::Chunks => Place::Chunks(Chunks::Size { digits: 0, size: 0 }),
                Follows::Answer => Place::Answer,
            }
        };
        self.first = false;
        Ok(end)
    }

    /// The place behind `byte`, if it may stand there.
    fn chunks(&self, chunks: Chunks, byte: u8) -> Option<Place> {
        let next = match (chunks, byte) {
            (Chunks::Size { digits: 0..15, .. }, byte) if byte.is_ascii_hexdigit() => {
                let Chunks::Size { digits, size } = chunks else { return None };
                let digit = char::from(byte).to_digit(16)?;
                Chunks::Size { digits: digits + 1, size: size << 4 | u64::from(digit) }
            }
            (Chunks::Size { digits: 1.., size }, b'\r') => Chunks::SizeEnd(size),
            (Chunks::Size { digits: 1.., size }, b';') => Chunks::Extension { size, read: 0 },
            (Chunks::Extension { size, .. }, b'\r') => Chunks::SizeEnd(size),
            (Chunks::Extension { size, read }, b'\t' | b' '..=b'~') if read < self.most => {
                Chunks::Extension { size, read: read + 1 }
            }
            (Chunks::SizeEnd(0), b'\n') => Chunks::Trailer { read: 0, line: 0 },
            (Chunks::SizeEnd(size), b'\n') => Chunks::Data(size),
            (Chunks::DataReturn, b'\r') => Chunks::DataEnd,
            (Chunks::DataEnd, b'\n') => Chunks::Size { digits: 0, size: 0 },
            (Chunks::Trailer { read, line }, b'\r') => Chunks::TrailerEnd { read, line },
            (Chunks::Trailer { .. }, b'\n') => return None,
            (Chunks::Trailer { read, line }, _) if read < self.most => {
                Chunks::Trailer { read: read + 1, line: line + 1 }
            }
            (Chunks::TrailerEnd { line: 0, .. }, b'\n') => return Some(Place::Head(0)),
            (Chunks::TrailerEnd { read, .. }, b'\n') => Chunks::Trailer { read, line: 0 },
            _ => return None,
        };
        Some(Place::Chunks(next))
    }
}

fn at_most(left: u64, bytes: &[u8]) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len())
}

/// The length of the head, if `bytes` hold its end; the first `searched` do not.
fn end_of_head(bytes: &[u8], searched: usize) -> Result<Option<usize>, BadHead> {
    let unknown = bytes.get(searched..).unwrap_or_default();
    for found in memchr::memchr_iter(b'\n', unknown) {
        let end = searched + found;
        match bytes.get(..end).unwrap_or_default() {
            // One empty line before a request is left from an older client's last one
            // (RFC 9112 section 2.2).
            b"\r" => {}
            [.., b'\n', b'\r'] => return Ok(Some(end + 1)),
            [.., b'\r'] => {}
            _ => return Err(BadHead::LineEnd),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 200;

    /// How many bytes pass when they come in pieces of `size`, as a reader would give them.
    fn passed(text: &str, size: usize) -> (usize, Result<(), Bad>) {
        let mut scanner = Scanner::new(MOST);
        let (mut passed, mut there) = (0, 0);
        while there < text.len() {
            there = (there + size).min(text.len());
            let (count, verdict) = scanner.scan(&text.as_bytes()[passed..there]);
            passed += count;
            if verdict.is_err() {
                return (passed, verdict);
            }
        }
        (passed, Ok(()))
    }

    #[test]
    fn whole_requests_pass_however_they_are_cut() {
        let head = "POST / HTTP/1.1\r\nhost: a\r\n";
        let requests = [
            format!("{head}\r\n"),
            format!("\r\n{head}content-length: 14\r\n\r\nGET \n\n\r\n\r\n body"),
            format!(
                "{head}transfer-encoding: chunked\r\n\r\n00f;a=\"b\"\r\n0123456789\r\n\r\nx\r\n0\r\n\r\n"
            ),
            format!("{head}transfer-encoding: chunked\r\n\r\n0\r\nx-sum: 7\r\ny: 8\r\n\r\n"),
        ];
        let all =
            requests.concat().replace("\r\n\r\nx\r\n", "\r\n\r\nxy\r\n").replace("00f", "010");
        for size in [1, 2, 3, 7, 50, all.len()] {
            assert_eq!(passed(&all, size), (all.len(), Ok(())), "{size}");
            let half = format!("{all}GET / HT");
            assert_eq!(passed(&half, size), (all.len(), Ok(())), "{size}");
            let bad = format!("{all}GET /# HTTP/1.1\r\nhost: a\r\n\r\n");
            assert_eq!(passed(&bad, size), (all.len(), Err(Bad::Head(BadHead::Target))), "{size}");
        }
    }

    #[test]
    fn chunks_have_one_reading() {
        let head = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        for bad in [
            "\r\n",
            ";\r\n",
            "g\r\n",
            "-1\r\n",
            "0x1\r\n",
            " 1\r\n",
            "1 \r\n",
            "1\n",
            "1;a\n",
            "1\r\nab",
            "1\r\na\n",
            "0\r\nx: y\n",
            "0\n",
            "1234567890123456\r\n",
            "1;\u{7f}\r\n",
            "1\rx",
        ] {
            let (_, verdict) = passed(&format!("{head}{bad}"), 1000);
            assert_eq!(verdict, Err(Bad::Chunks), "{bad:?}");
        }
        for endless in
            [format!("1;{}", "x".repeat(MOST + 1)), format!("0\r\nx: {}", "y".repeat(MOST))]
        {
            assert_eq!(passed(&format!("{head}{endless}"), 9).1, Err(Bad::Chunks));
        }
    }

    #[test]
    fn a_head_is_bounded_and_its_lines_end_with_both() {
        let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(MOST));
        for size in [1, 1000] {
            assert_eq!(passed(&long, size), (0, Err(Bad::Head(BadHead::TooLarge))));
            for bad in ["GET / HTTP/1.1\nhost: a\r\n\r\n", "GET / HTTP/1.1\r\nhost: a\n\n", "\n"] {
                assert_eq!(passed(bad, size), (0, Err(Bad::Head(BadHead::LineEnd))), "{bad:?}");
            }
            let two = "\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n";
            assert_eq!(passed(two, size), (0, Err(Bad::Head(BadHead::Syntax))));
        }
    }

    #[test]
    fn nothing_passes_behind_a_wish_for_another_protocol_until_it_is_answered() {
        let head = "GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\n\r\n";
        let mut scanner = Scanner::new(MOST);
        let frames = format!("{head}\u{1}\u{5}frame");
        assert_eq!(scanner.scan(frames.as_bytes()), (head.len(), Ok(())));
        assert!(scanner.awaits_answer());
        assert_eq!(scanner.scan(b"\x01\x05frame"), (0, Ok(())));
        scanner.give_up();
        assert_eq!(scanner.scan(b"\x01\x05frame"), (7, Ok(())));
    }

    #[test]
    fn http_2_is_raw_but_only_from_the_start() {
        let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0";
        assert_eq!(passed(preface, 1), (preface.len(), Ok(())));
        let later = format!("GET / HTTP/1.1\r\nhost: a\r\n\r\n{preface}");
        assert_eq!(passed(&later, 1000).1, Err(Bad::Head(BadHead::Version)));
    }
}
