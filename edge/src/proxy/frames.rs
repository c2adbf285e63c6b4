//! Where WebSocket frames begin and end in a stream of bytes (RFC 6455 section 5.2). Payloads are
//! passed over, not kept.

/// Longest head: 2 bytes, 8 of length, 4 of mask.
const LONGEST_HEAD: usize = 14;
/// First byte of a text message in one frame.
const FIN_TEXT: u8 = 0x81;
/// Set in the first byte of a message's last frame.
const FIN: u8 = 0x80;
/// Set in the first byte of a control frame.
const CONTROL: u8 = 0x08;
/// Set in the second byte of a frame with a mask.
const MASKED: u8 = 0x80;

/// The position of one direction of a WebSocket within its current frame.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; LONGEST_HEAD],
    /// Bytes of the head that are there; 0 between two frames.
    have: usize,
    /// Bytes of the payload to come, once the head is complete.
    payload: u64,
}

impl Frames {
    /// Whether the bytes so far end with a whole frame.
    pub(super) fn at_boundary(&self) -> bool {
        self.have == 0 && self.payload == 0
    }

    /// Takes in all of `bytes`, and tells whether any of it is data: a ping, a pong and a Close frame
    /// are not (RFC 6455 section 5.5).
    pub(super) fn pass(&mut self, mut bytes: &[u8]) -> bool {
        let mut data = false;
        while !bytes.is_empty() {
            let taken = self.pass_frame(bytes);
            // Known from the second byte of a head on.
            data |= self.have != 1 && self.is_data();
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        data
    }

    /// Whether the current frame, or else the last one, carries data: the highest bit of the opcode
    /// makes it a control frame.
    const fn is_data(&self) -> bool {
        let [first, ..] = self.head;
        first & CONTROL == 0
    }

    /// Takes in `bytes` up to the end of the current frame and tells how many those are.
    pub(super) fn pass_frame(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        if self.payload == 0 {
            for byte in bytes {
                taken += 1;
                if self.push(*byte) {
                    break;
                }
            }
        }
        let rest = bytes.len() - taken;
        let payload = usize::try_from(self.payload).unwrap_or(usize::MAX).min(rest);
        self.payload -= payload as u64;
        taken + payload
    }

    /// Adds a byte to the head; true when that completes it.
    fn push(&mut self, byte: u8) -> bool {
        if let Some(place) = self.head.get_mut(self.have) {
            *place = byte;
        }
        self.have += 1;
        let [_, second, ..] = self.head;
        if self.have < 2 || self.have < head_length(second) {
            return false;
        }
        self.payload = payload_length(&self.head);
        self.have = 0;
        true
    }
}

/// A frame's head, whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head([u8; LONGEST_HEAD]);

impl Head {
    /// The head at the beginning of `bytes`, if it is all there.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let length = head_length(*bytes.get(1)?);
        let mut head = [0; LONGEST_HEAD];
        head.get_mut(..length)?.copy_from_slice(bytes.get(..length)?);
        Some(Self(head))
    }

    /// The head of a whole text message, with a client's mask.
    pub(super) fn text(payload: usize, mask: [u8; 4]) -> Self {
        Self::masked(FIN_TEXT, payload, mask)
    }

    /// A head with this first byte and a client's mask.
    pub(super) fn masked(first: u8, payload: usize, mask: [u8; 4]) -> Self {
        let mut head = vec![first];
        match payload {
            0..126 => head.push(MASKED | payload as u8),
            126..65_536 => {
                head.push(MASKED | 126);
                head.extend((payload as u16).to_be_bytes());
            }
            _ => {
                head.push(MASKED | 127);
                head.extend((payload as u64).to_be_bytes());
            }
        }
        head.extend(mask);
        head.resize(LONGEST_HEAD, 0);
        Self(head.try_into().unwrap_or_default())
    }

    /// The frame with this payload, masked.
    pub(super) fn frame(self, mut payload: Vec<u8>) -> Vec<u8> {
        if let Some(mask) = self.mask() {
            masked(&mut payload, mask);
        }
        let mut frame = self.bytes().to_vec();
        frame.append(&mut payload);
        frame
    }

    /// A ping, a pong or a Close frame.
    pub(super) const fn is_control(self) -> bool {
        let [first, ..] = self.0;
        first & CONTROL != 0
    }

    /// The kind of frame.
    pub(super) const fn opcode(self) -> u8 {
        let [first, ..] = self.0;
        first & 0x0f
    }

    /// Whether the message ends with this frame.
    pub(super) const fn is_last(self) -> bool {
        let [first, ..] = self.0;
        first & FIN != 0
    }

    /// Whether an extension has a say in it (the bits RSV1 to RSV3).
    pub(super) const fn is_reserved(self) -> bool {
        let [first, ..] = self.0;
        first & 0x70 != 0
    }

    /// Text, not a part of a message, and without extensions (the bits RSV1 to RSV3).
    pub(super) const fn is_whole_text(self) -> bool {
        let [first, ..] = self.0;
        first == FIN_TEXT
    }

    pub(super) fn mask(self) -> Option<[u8; 4]> {
        let [_, second, ..] = self.0;
        let bytes = self.bytes();
        let mask = bytes.get(bytes.len().checked_sub(4)?..)?;
        if second & MASKED == 0 { None } else { mask.try_into().ok() }
    }

    /// Length of the payload.
    pub(super) fn payload(self) -> u64 {
        payload_length(&self.0)
    }

    /// Length of the head.
    pub(super) const fn length(self) -> usize {
        let [_, second, ..] = self.0;
        head_length(second)
    }

    /// Length of head and payload, if memory could hold them.
    pub(super) fn frame_length(self) -> Option<usize> {
        usize::try_from(self.payload()).ok()?.checked_add(self.length())
    }

    fn bytes(&self) -> &[u8] {
        self.0.get(..self.length()).unwrap_or_default()
    }
}

/// Masks a payload, or takes the mask off it (section 5.3).
pub(super) fn masked(payload: &mut [u8], mask: [u8; 4]) {
    for (byte, mask) in payload.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}

/// Length of a head whose second byte is `second`.
const fn head_length(second: u8) -> usize {
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask = if second & MASKED == 0 { 0 } else { 4 };
    2 + length + mask
}

fn payload_length(head: &[u8; LONGEST_HEAD]) -> u64 {
    let [_, second, a, b, c, d, e, f, g, h, ..] = *head;
    match second & 0x7f {
        126 => u64::from(u16::from_be_bytes([a, b])),
        127 => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        short => u64::from(short),
    }
}

/// An unmasked Close frame, as a server sends it. `reason` is cut to what a control frame holds.
pub(super) fn close(code: u16, reason: &str) -> Vec<u8> {
    const FIN_CLOSE: u8 = 0x88;
    let reason: Vec<u8> = reason.bytes().take(123).collect();
    let length = 2 + reason.len() as u8;
    let mut frame = vec![FIN_CLOSE, length];
    frame.extend(code.to_be_bytes());
    frame.extend(reason);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A binary frame with a payload of `length` bytes that look like heads.
    fn frame(length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x82];
        match length {
            0..126 => frame.push(mask | length as u8),
            126..65_536 => {
                frame.push(mask | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        if masked {
            frame.extend([1, 2, 3, 4]);
        }
        frame.resize(frame.len() + length, 0x82);
        frame
    }

    #[test]
    fn a_boundary_is_found_however_the_bytes_are_cut() {
        for masked in [false, true] {
            for length in [0, 1, 125, 126, 65_535, 65_536] {
                let bytes = frame(length, masked);
                for cut in
                    [0, 1, 2, 3, 9, bytes.len() - 1].into_iter().filter(|cut| *cut < bytes.len())
                {
                    let (first, second) = bytes.split_at(cut);
                    let mut frames = Frames::default();
                    frames.pass(first);
                    assert_eq!(frames.at_boundary(), cut == 0, "{length} {masked} {cut}");
                    frames.pass(second);
                    assert!(frames.at_boundary(), "{length} {masked} {cut}");
                }
            }
        }
    }

    #[test]
    fn data_is_told_from_pings_however_the_bytes_are_cut() {
        let (ping, pong, bye) =
            ([0x89, 0x80, 1, 2, 3, 4], [0x8a, 0x81, 1, 2, 3, 4, 9], close(1000, ""));
        let control = [&ping[..], &pong, &bye].concat();
        for cut in 0..control.len() {
            let (first, second) = control.split_at(cut);
            let mut frames = Frames::default();
            assert!(!frames.pass(first) && !frames.pass(second), "{cut}");
        }
        for opcode in [0x80, 0x01, 0x82] {
            let mut data = frame(300, true);
            data[0] = opcode;
            let mut frames = Frames::default();
            assert!(frames.pass(&[&ping[..], &data, &pong].concat()), "{opcode:#x}");
            assert!(!frames.pass(&ping));
            let (head, rest) = data.split_at(1);
            frames.pass(head);
            let (some, last) = rest.split_at(100);
            assert!(frames.pass(some) && frames.pass(last), "each piece of it is data");
        }
    }

    #[test]
    fn one_frame_is_passed_at_a_time() {
        let mut bytes = frame(300, false);
        let first = bytes.len();
        bytes.extend(frame(5, false));
        let mut frames = Frames::default();
        frames.pass(&bytes[..10]);
        assert_eq!(frames.pass_frame(&bytes[10..]), first - 10);
        assert!(frames.at_boundary());
    }

    #[test]
    fn a_close_frame_is_a_whole_frame_that_fits() {
        let bytes = close(1008, "session ended");
        assert_eq!(bytes[..4], [0x88, 15, 0x03, 0xf0]);
        let mut frames = Frames::default();
        assert_eq!(frames.pass_frame(&bytes), bytes.len());
        assert!(frames.at_boundary());
        assert_eq!(close(1001, &"x".repeat(500)).len(), 127);
    }
}
