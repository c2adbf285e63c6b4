//! The first message of a client's WebSocket, for upstreams that are told there who is speaking. Some
//! read no header for it, so the proxy's own words have to go into that message.

use std::{borrow::Cow, fmt, sync::Arc};

use super::frames::{Head, masked};

/// Decides about the first message that a client says over a WebSocket.
pub trait FirstMessage: fmt::Debug + Send + Sync {
    /// What the upstream gets instead of this text; `None` leaves it, byte for byte.
    fn replaced(&self, text: &[u8]) -> Option<Vec<u8>>;
}

/// Longest first message that is looked at, in bytes. Less is held than that, and only until the
/// message is there.
const LONGEST: usize = 16 * 1024;

/// The client's bytes until the first message is through.
///
/// Looked at is a text message in one masked frame without extensions, which is what browsers send.
/// Anything else passes as it is: an upstream that wants to know who is speaking refuses it.
#[derive(Debug)]
pub(super) struct Opening {
    /// None once the first message is through.
    first: Option<Arc<dyn FirstMessage>>,
    held: Vec<u8>,
}

/// What stands at the beginning of the bytes that are held.
enum Next {
    /// Less than can be told about.
    Incomplete,
    /// A ping, a pong or a Close frame of this length, head included.
    Control(usize),
    /// A text message to look at.
    Text { head: Head, length: usize },
    /// A first message that nobody looks at.
    Other,
}

impl Opening {
    pub(super) const fn new(first: Option<Arc<dyn FirstMessage>>) -> Self {
        Self { first, held: Vec::new() }
    }

    /// What the upstream gets now, after these bytes of the client.
    pub(super) fn pass<'bytes>(&mut self, bytes: &'bytes [u8]) -> Cow<'bytes, [u8]> {
        let Some(first) = self.first.clone() else { return Cow::Borrowed(bytes) };
        self.held.extend_from_slice(bytes);
        let mut out = Vec::new();
        loop {
            match next(&self.held) {
                Next::Incomplete => return Cow::Owned(out),
                Next::Control(length) => out.extend(self.held.drain(..length)),
                Next::Text { head, length } => {
                    let frame: Vec<u8> = self.held.drain(..length).collect();
                    out.extend(replaced(first.as_ref(), head, frame));
                    break;
                }
                Next::Other => break,
            }
        }
        self.first = None;
        out.append(&mut self.held);
        self.held = Vec::new();
        Cow::Owned(out)
    }
}

fn next(held: &[u8]) -> Next {
    let Some(head) = Head::read(held) else { return Next::Incomplete };
    if head.is_control() {
        // Longer ones are against RFC 6455 section 5.5.
        return match head.frame_length().filter(|_| head.payload() <= 125) {
            Some(length) if length <= held.len() => Next::Control(length),
            Some(_) => Next::Incomplete,
            None => Next::Other,
        };
    }
    match head.frame_length() {
        Some(length) if head.is_whole_text() && head.mask().is_some() && length <= LONGEST => {
            if length <= held.len() {
                Next::Text { head, length }
            } else {
                Next::Incomplete
            }
        }
        _ => Next::Other,
    }
}

/// The frame that goes on, masked as the client's was.
fn replaced(first: &dyn FirstMessage, head: Head, frame: Vec<u8>) -> Vec<u8> {
    let Some(mask) = head.mask() else { return frame };
    let mut text = frame.get(head.length()..).unwrap_or_default().to_vec();
    masked(&mut text, mask);
    match first.replaced(&text) {
        Some(text) => Head::text(text.len(), mask).frame(text),
        None => frame,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

    /// Says it louder, unless asked to be quiet.
    #[derive(Debug)]
    struct Louder;

    impl FirstMessage for Louder {
        fn replaced(&self, text: &[u8]) -> Option<Vec<u8>> {
            (text != b"quiet").then(|| text.to_ascii_uppercase())
        }
    }

    fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = Head::text(payload.len(), MASK).frame(payload.to_vec());
        frame[0] = first_byte;
        frame
    }

    fn text(text: &str) -> Vec<u8> {
        frame(0x81, text.as_bytes())
    }

    fn passed(pieces: &[&[u8]]) -> Vec<u8> {
        let mut opening = Opening::new(Some(Arc::new(Louder)));
        pieces.iter().flat_map(|piece| opening.pass(piece).into_owned()).collect()
    }

    #[test]
    fn the_first_message_is_replaced_and_no_other_however_the_bytes_are_cut() {
        let ping = frame(0x89, b"hi");
        for length in [0, 1, 125, 126, 400, 16_000] {
            let first = "a".repeat(length);
            let said = [ping.clone(), text(&first), ping.clone(), text("more")].concat();
            let expected =
                [ping.clone(), text(&first.to_uppercase()), ping.clone(), text("more")].concat();
            for cut in (0..40).chain([length, length + 9, said.len() - 3]) {
                let (one, two) = said.split_at(cut.min(said.len()));
                assert_eq!(passed(&[one, two]), expected, "{length} {cut}");
            }
            let bytes: Vec<&[u8]> = said.chunks(1).collect();
            assert_eq!(passed(&bytes), expected, "{length}");
        }
    }

    #[test]
    fn what_is_left_alone_keeps_every_byte() {
        let said = [text("quiet"), text("more")].concat();
        assert_eq!(passed(&[&said]), said);
    }

    #[test]
    fn a_first_message_of_another_form_passes_and_the_next_one_too() {
        let mut unmasked = vec![0x81, 5];
        unmasked.extend(b"hello");
        let huge = text(&"x".repeat(LONGEST));
        let longest = [&[0x81, 0xff][..], &u64::MAX.to_be_bytes(), &MASK].concat();
        let endless_ping = [&[0x89, 0xff][..], &u64::MAX.to_be_bytes(), &MASK].concat();
        let long_ping = frame(0x89, &[7; 200]);
        for first in [
            frame(0x82, b"binary"),
            frame(0x01, b"the first fragment"),
            frame(0x80, b"the last fragment"),
            frame(0xc1, b"compressed"),
            frame(0x83, b"reserved"),
            unmasked,
            huge,
            longest,
            long_ping,
            endless_ping,
        ] {
            let said = [first, text("more")].concat();
            assert_eq!(passed(&[&said]), said);
            let (one, two) = said.split_at(15);
            assert_eq!(passed(&[one, two]), said);
        }
    }

    #[test]
    fn nothing_is_held_once_the_first_message_is_through() {
        let mut opening = Opening::new(Some(Arc::new(Louder)));
        let said = text("hello");
        assert!(opening.pass(&said[..7]).is_empty());
        opening.pass(&said[7..]);
        assert_eq!(opening.held.capacity(), 0);
        assert!(matches!(opening.pass(b"anything"), Cow::Borrowed(b"anything")));
    }

    #[test]
    fn no_more_is_held_than_the_longest_message() {
        let mut opening = Opening::new(Some(Arc::new(Louder)));
        let said = text(&"x".repeat(LONGEST - 8));
        assert_eq!(said.len(), LONGEST);
        for piece in said[..said.len() - 1].chunks(1000) {
            assert!(opening.pass(piece).is_empty());
        }
        assert_eq!(opening.pass(&said[said.len() - 1..]).len(), LONGEST);
        let mut opening = Opening::new(Some(Arc::new(Louder)));
        let longer = text(&"x".repeat(LONGEST - 7));
        assert_eq!(opening.pass(&longer[..8]).len(), 8);
    }
}
