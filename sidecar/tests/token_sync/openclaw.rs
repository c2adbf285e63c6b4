//! Homes as OpenClaw itself leaves them, and origins that join the user's own.

use crate::home::{Home, TOKEN, names};
use std::{fs, path::Path};

const FILES: [&str; 3] = ["openclaw.json", "openclaw.json.bak", "openclaw.json.last-good"];

/// The public address of the chart as it is now.
const SEED: &str = "{gateway: {controlUi: {allowedOrigins: ['https://agents.example']}}}";

fn written_by_openclaw(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/token_sync/openclaw");
    fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn a_file_that_openclaw_rewrote_is_changed_in_three_places_and_its_copies_in_none() {
    let home = Home::empty();
    for name in FILES {
        fs::write(home.folder().join(name), written_by_openclaw(name)).unwrap();
    }
    let ended = home.sync_from(&home.seed(SEED));
    ended.well("allowed origins written\ngateway bind already matches\n");
    ended.well("gateway token written; file written\n");
    let before = written_by_openclaw("openclaw.json");
    let mine = "\n        \"http://localhost:19000\"";
    let after = before
        .replace("\"t0ken\"", &format!("\"{TOKEN}\""))
        .replace(mine, &format!("\n        \"https://agents.example\",{mine}"));
    assert_eq!(home.text(), after);
    assert_eq!(names(&home.folder()), FILES);
    for copy in &FILES[1..] {
        let text = fs::read_to_string(home.folder().join(copy)).unwrap();
        assert_eq!(text, written_by_openclaw(copy), "{copy}");
    }
    home.sync_from(&home.seed(SEED)).well("; file unchanged\n");
}

#[test]
fn the_users_own_file_from_before_gets_the_same_and_keeps_its_comment() {
    let home = Home::with(written_by_openclaw("openclaw.json.bak"));
    home.sync_from(&home.seed(SEED)).well("allowed origins written\n");
    let after = written_by_openclaw("openclaw.json.bak")
        .replace("\"t0ken\"", &format!("\"{TOKEN}\""))
        .replace("[\"http://l", "[\"https://agents.example\", \"http://l");
    assert_eq!(home.text(), after);
    assert!(home.text().starts_with("// the seed's words\n"));
}

#[test]
fn a_seed_that_is_of_no_use_is_told_and_keeps_no_home_from_starting() {
    let home = Home::with(crate::home::OLD);
    for (seed, said) in
        [("{not even read", "the seed is not valid JSON5"), ("{}", "the seed names none")]
    {
        let seed = home.seed(seed);
        home.sync_from(&seed).well(&format!("allowed origins left alone ({said})\n"));
    }
    let absent = home.path("absent.json");
    home.sync_from(&absent).well("allowed origins left alone (the seed is absent)\n");
    home.sync_from(&home.folder()).well("allowed origins left alone (the seed cannot be read)\n");
    home.sync().well("allowed origins left alone (no --seed was given)\n");
}
