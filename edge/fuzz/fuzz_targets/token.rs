//! Whatever bytes as a token, and whatever bytes signed as one: header, line end, claims.
#![no_main]

use edge::oidc::testing::laws;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    laws::unsigned(bytes);
    if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        laws::signed(&bytes[..end], &bytes[end + 1..]);
    }
});
