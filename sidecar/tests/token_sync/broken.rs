//! A file that cannot be used: left as it is, unless token-sync is told to make a new one.

use crate::home::{Ended, Home, NEW, OLD, names};
use std::fs;

/// What ends up in a home after a crash, a full disk or a slip of the keyboard.
const BROKEN: [(&[u8], i32, &str); 6] = [
    (
        b"{\n  gateway: {,\n}",
        16,
        "openclaw.json is not valid JSON5: line 2, column 13: expected a key",
    ),
    (b"{\"gateway\": {\"auth\": {\"tok", 16, "is not valid JSON5: line 1, column"),
    (b"\0\0\0\0", 16, "is not valid JSON5: line 1, column 1"),
    (b"{a: '\xff'}", 16, "line 1, column 6: this byte is not UTF-8"),
    (b"\xef\xbb\xbf[]", 17, "line 1, column 1: the whole file is an array, expected an object"),
    (b"{gateway: 'x'}", 17, "line 1, column 11: `gateway` is a string, expected an object"),
];

fn reseed(home: &Home, seed: &str) -> Ended {
    let mut command = home.command();
    command.arg("--seed").arg(home.seed(seed));
    Ended::of(command.env("BROKEN_CONFIG", "reseed"))
}

#[test]
fn by_default_it_is_named_with_its_place_and_the_way_out_and_kept() {
    for (text, code, said) in BROKEN {
        let home = Home::with(text);
        let before = home.state();
        let ended = home.sync_from(&home.seed(OLD));
        ended.badly(code, said);
        ended.badly(code, "--broken-config reseed (annotation openclaw.catalyst.openova.io/broken");
        assert_eq!((home.state(), names(&home.folder()).len()), (before, 1));
    }
}

#[test]
fn if_told_so_it_is_kept_aside_named_and_made_anew() {
    for (text, _, said) in BROKEN {
        let home = Home::with(text);
        let ended = reseed(&home, OLD);
        ended.well(said);
        ended.well("openclaw.json as ");
        ended.well("openclaw.json.kept\nmade ");
        assert_eq!(home.text(), NEW);
        assert_eq!(fs::read(home.folder().join("openclaw.json.kept")).unwrap(), text);
        assert_eq!(names(&home.folder()), ["openclaw.json", "openclaw.json.kept"]);
    }
}

#[test]
fn what_was_kept_is_not_lost_to_the_next_that_breaks() {
    let home = Home::with("{first");
    for next in ["{second", "{third"] {
        reseed(&home, OLD).well("\nkept ");
        fs::write(home.config(), next).unwrap();
    }
    reseed(&home, OLD).well("openclaw.json.kept-3\n");
    let kept = |name: &str| fs::read_to_string(home.folder().join(name)).unwrap();
    assert_eq!(kept("openclaw.json.kept"), "{first");
    assert_eq!(kept("openclaw.json.kept-2"), "{second");
    assert_eq!(kept("openclaw.json.kept-3"), "{third");
}

#[test]
fn a_good_file_is_not_made_anew_and_a_broken_seed_replaces_nothing() {
    let home = Home::with(OLD);
    reseed(&home, "{gateway:{port:1}}").well("gateway token written; file written\n");
    assert_eq!((home.text().as_str(), names(&home.folder()).len()), (NEW, 1));

    let home = Home::with("{broken");
    let before = home.state();
    reseed(&home, "{gateway: }").badly(16, "seed.json is not valid JSON5");
    let mut without = home.command();
    let ended = Ended::of(without.args(["--broken-config", "reseed"]));
    ended.badly(10, "openclaw.json is absent or broken, and no --seed was given");
    assert_eq!((home.state(), names(&home.folder()).len()), (before, 1));
}

/// OpenClaw 2026.9.6 puts its `.bak` back in the place of a file that is much shorter or lacks its `meta`.
#[test]
fn a_backup_with_an_older_token_is_kept_from_openclaw_wherever_the_file_is_made() {
    let homes = [Home::empty(), Home::with(""), Home::with("{broken")];
    for home in homes {
        let backup = home.folder().join("openclaw.json.bak");
        fs::write(&backup, OLD).unwrap();
        reseed(&home, OLD).well("openclaw.json.bak.kept\nmade ");
        assert_eq!(home.text(), NEW);
        assert!(!backup.exists());
        let kept = fs::read_to_string(home.folder().join("openclaw.json.bak.kept")).unwrap();
        assert_eq!(kept, OLD);
    }
}
