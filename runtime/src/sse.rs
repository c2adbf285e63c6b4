//! Server-sent events, as far as chat completions use them: the `data` of each event.

/// Longest event that is kept, in bytes. An upstream that sends a longer one is not an LLM API.
const LONGEST: usize = 1024 * 1024;

/// Cuts a stream of bytes into the data of its events.
#[derive(Debug, Default)]
pub(crate) struct Events {
    line: Vec<u8>,
    data: String,
}

/// An event is longer than any that makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of more than {LONGEST} bytes")]
pub(crate) struct TooLong;

impl Events {
    /// Takes in `bytes` and gives the data of the events that they complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, TooLong> {
        let mut events = Vec::new();
        for byte in bytes {
            if *byte == b'\n' {
                events.extend(self.end_line());
            } else if self.line.len() + self.data.len() < LONGEST {
                self.line.push(*byte);
            } else {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = line.strip_suffix('\r').unwrap_or(&line);
        if line.is_empty() {
            return Some(std::mem::take(&mut self.data)).filter(|data| !data.is_empty());
        }
        if let Some(data) = line.strip_prefix("data:") {
            if !self.data.is_empty() {
                self.data.push('\n');
            }
            self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": hello\n\ndata: {\"a\":\ndata:1}\r\n\r\nevent: x\ndata: \u{e9}\n\ndata: [DONE]\n\ndata: cut";

    #[test]
    fn events_are_found_however_the_bytes_are_cut() {
        for size in 1..STREAM.len() {
            let mut events = Events::default();
            let found: Vec<_> = STREAM
                .as_bytes()
                .chunks(size)
                .flat_map(|chunk| events.push(chunk).unwrap())
                .collect();
            assert_eq!(found, ["{\"a\":\n1}", "\u{e9}", "[DONE]"], "{size}");
        }
    }

    #[test]
    fn an_endless_line_is_given_up() {
        let mut events = Events::default();
        assert_eq!(events.push(&vec![b'x'; LONGEST]), Ok(vec![]));
        assert_eq!(events.push(b"x"), Err(TooLong));
    }
}
