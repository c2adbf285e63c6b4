//! What it writes, what it says, and how it ends.

use crate::home::{Ended, Home, NEW, OLD, TOKEN, is_root, names};
use contract::env::OPENCLAW_GATEWAY_TOKEN;
use std::{
    fs::{self, File, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    process::Command,
};

const USER: &str = "11111111-2222-4333-8444-555555555555";

/// What an operator puts into the seed's ConfigMap.
const SEED: &str = r#"{
  // The platform's.
  gateway: { mode: "local", bind: "loopback" },
  models: { providers: { newapi: { baseUrl: "${NEWAPI_BASE_URL}/v1", apiKey: "${NEWAPI_KEY}" } } },
}
"#;

#[test]
fn an_old_token_is_replaced_and_the_rest_of_the_file_kept() {
    let home = Home::with(OLD);
    fs::set_permissions(home.config(), Permissions::from_mode(0o644)).unwrap();
    home.sync().well("gateway token written; file written\n");
    assert_eq!(home.text(), NEW);
    assert_eq!(fs::metadata(home.config()).unwrap().mode() & 0o7777, 0o600);
    assert_eq!(names(&home.folder()), ["openclaw.json"]);
}

#[test]
fn a_file_that_agrees_is_not_touched() {
    let home = Home::with(NEW);
    let before = home.state();
    home.sync().well("gateway token already matches; file unchanged\n");
    assert_eq!(home.state(), before);
}

#[test]
fn an_absent_file_is_made_from_the_seed_folders_included() {
    let home = Home::fresh();
    let mut command = home.command();
    let command = command.arg("--seed").arg(home.seed(SEED));
    let ended = Ended::of(command.env("NEWAPI_BASE_URL", "http://newapi:3000/v1/"));
    ended.well("NewAPI address written\ngateway token written; file written\n");
    assert!(ended.out.starts_with("made "), "{ended:?}");
    let written = SEED
        .replace("${NEWAPI_BASE_URL}", "http://newapi:3000")
        .replace(r#""loopback" }"#, &format!(r#""loopback", auth: {{token: "{TOKEN}"}} }}"#));
    assert_eq!(home.text(), written);
    let mode = |path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!((mode(home.folder()), mode(home.config())), (0o700, 0o600));
}

#[test]
fn a_seed_may_be_a_link_as_a_configmap_mounts_it() {
    let home = Home::fresh();
    let link = home.path("link.json");
    symlink(home.seed(OLD), &link).unwrap();
    home.sync_from(&link).well("file written");
    assert_eq!(home.text(), NEW);
    assert_eq!(fs::read_to_string(home.path("seed.json")).unwrap(), OLD);
}

#[test]
fn a_seed_does_not_replace_what_the_user_has_but_an_empty_file_is_nothing() {
    let home = Home::with(OLD);
    home.sync_from(&home.seed("{not even read")).well("file written");
    assert_eq!(home.text(), NEW);
    let home = Home::with("\n");
    home.sync_from(&home.seed(OLD)).well("file written");
    assert_eq!(home.text(), NEW);
}

#[test]
fn the_seeds_provider_follows_the_secret() {
    let home = Home::with(SEED);
    home.sync_at("http://first/").well("NewAPI address written");
    home.sync_at("http://second/v1").well("NewAPI address written");
    assert!(home.text().contains(r#"baseUrl: "http://second/v1", apiKey: "${NEWAPI_KEY}""#));
    home.sync_at("http://second").well("NewAPI address already matches\n");
    home.sync().well("NewAPI address left alone (NEWAPI_BASE_URL is not set)\n");
}

#[test]
fn trusted_proxy_needs_no_token_and_leaves_none() {
    let home = Home::with(OLD);
    let trusted = ["--gateway-auth", "trusted-proxy", "--user", USER];
    let mut command = home.command();
    let ended = Ended::of(command.env_remove(OPENCLAW_GATEWAY_TOKEN).args(trusted));
    ended.well("gateway auth written; file written\n");
    let text = home.text();
    assert!(text.contains(USER) && !text.contains("'old'") && text.starts_with("// mine\n"));
    home.sync_with(&trusted).well("gateway auth already matches; file unchanged\n");
    home.sync().well("gateway token written; file written\n");
    assert!(!home.text().contains("127.0.0.1"), "{}", home.text());
}

#[test]
fn none_leaves_the_gateway_alone() {
    let home = Home::with(OLD);
    let ended = home.sync_with(&["--gateway-auth", "none"]);
    ended.well("gateway auth left alone (gateway-auth is none); file unchanged\n");
    assert_eq!(home.text(), OLD);
}

#[test]
fn what_a_crash_left_is_cleared_away() {
    let home = Home::with(OLD);
    fs::write(home.folder().join(".openclaw.json.token-sync"), "half a fi").unwrap();
    home.sync().well("file written");
    assert_eq!((home.text().as_str(), names(&home.folder()).len()), (NEW, 1));
}

#[test]
fn a_file_repaired_by_root_still_belongs_to_its_owner() {
    let home = Home::with(OLD);
    // Who is not root owns the file anyway.
    if is_root() {
        chown(home.config(), Some(1234), Some(5678)).unwrap();
    }
    let owner = |home: &Home| {
        let metadata = fs::metadata(home.config()).unwrap();
        (metadata.uid(), metadata.gid())
    };
    let before = owner(&home);
    home.sync().well("file written");
    assert_eq!(owner(&home), before);
}

#[test]
fn a_broken_seed_is_named_with_its_place() {
    let home = Home::empty();
    home.sync_from(&home.seed("{gateway: }")).badly(16, "seed.json is not valid JSON5: line 1");
    assert!(names(&home.folder()).is_empty());
}

#[test]
fn without_a_file_and_a_seed_the_missing_one_is_named() {
    let home = Home::fresh();
    home.sync().badly(10, "openclaw.json is absent or broken, and no --seed was given");
    home.sync_from(&home.path("absent.json"))
        .badly(10, "absent.json does not exist: is the ConfigMap");
    assert!(!home.folder().exists());
}

#[test]
fn only_a_regular_file_is_replaced() {
    let home = Home::empty();
    let target = home.seed(OLD);
    symlink(&target, home.config()).unwrap();
    home.sync().badly(14, "is a symbolic link, expected a regular file");
    assert_eq!(fs::read_to_string(&target).unwrap(), OLD);
    assert!(fs::symlink_metadata(home.config()).unwrap().is_symlink());

    let home = Home::empty();
    fs::create_dir(home.config()).unwrap();
    home.sync().badly(14, "is a folder");

    let home = Home::empty();
    assert!(Command::new("mkfifo").arg(home.config()).status().unwrap().success());
    home.sync().badly(14, "is a device, pipe or socket");
}

#[test]
fn a_file_too_large_for_a_configuration_is_not_read() {
    let home = Home::empty();
    File::create(home.config()).unwrap().set_len(5 << 20).unwrap();
    home.sync().badly(15, "is larger than 4096 KiB");
}

#[test]
fn a_second_token_sync_in_the_same_folder_gives_way() {
    let home = Home::with(OLD);
    let folder = File::open(home.folder()).unwrap();
    folder.lock().unwrap();
    home.sync().badly(18, "two pods share one home");
    assert_eq!(home.text(), OLD);
    drop(folder);
    home.sync().well("file written");
}

#[test]
fn a_variable_that_cannot_be_used_is_named() {
    let home = Home::with(OLD);
    let token = |value: &str| Ended::of(home.command().env(OPENCLAW_GATEWAY_TOKEN, value));
    token("").badly(78, "OPENCLAW_GATEWAY_TOKEN is empty");
    token(" \n").badly(78, "OPENCLAW_GATEWAY_TOKEN is empty");
    token(&format!("{TOKEN} {TOKEN}")).badly(78, "OPENCLAW_GATEWAY_TOKEN holds white space");
    let unset = Ended::of(home.command().env_remove(OPENCLAW_GATEWAY_TOKEN));
    unset.badly(78, "OPENCLAW_GATEWAY_TOKEN is not set");
    home.sync_at("newapi").badly(78, r#"NEWAPI_BASE_URL="newapi" is not a base URL"#);
    assert_eq!(home.text(), OLD);
}

#[test]
fn wrong_usage_exits_2_before_any_file_is_read() {
    let home = Home::with(OLD);
    for args in [
        &["--gateway-auth", "trusted-proxy"][..],
        &["--gateway-auth", "trusted-proxy", "--user", "alice"],
        &["--gateway-auth", "password"],
    ] {
        let ended = home.sync_with(args);
        assert_eq!(ended.code, Some(2), "{args:?}: {ended:?}");
    }
    assert_eq!(home.text(), OLD);
}

#[test]
fn help_lists_the_exit_codes() {
    let home = Home::empty();
    let ended = home.sync_with(&["--help"]);
    ended.well("16  not valid JSON5");
    ended.well("OPENCLAW_GATEWAY_TOKEN");
}
