//! Whatever document as a key set.
#![no_main]

use edge::oidc::testing::laws;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|document: &[u8]| laws::key_set(document));
