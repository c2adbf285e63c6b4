//! `review` on whatever bytes: no panic, and every law of the test suite for what is answered.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use webhook::config::Config;

#[path = "../../tests/suite/laws.rs"]
mod laws;

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    include_str!("../../tests/webhook.yaml").parse().expect("the tests' configuration is good")
});

fuzz_target!(|body: &[u8]| laws::review(body, &CONFIG));
