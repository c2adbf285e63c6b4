//! Volumes that refuse: full, read-only, somebody else's. Real ones, mounted in a mount namespace
//! of the test's own, as root or in a user namespace.
//!
//! Where the kernel allows neither, those cases say so and leave it at that; the limit on file size
//! and the foreign folder, which need no privilege, then show that a volume's refusal leaves the
//! old file as it was.

use crate::home::{Ended, Home, NEW, OLD, SIDECAR, is_root, names};
use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::PathBuf,
    process::{Command, Stdio},
    sync::LazyLock,
};

/// `unshare` and its flags, if the kernel allows them.
static UNSHARE: LazyLock<Option<&[&str]>> = LazyLock::new(|| {
    let ways: [&[&str]; 2] = [&["--mount"], &["--mount", "--map-root-user"]];
    ways.into_iter().find(|flags| {
        let mut unshare = Command::new("unshare");
        let unshare = unshare.args(*flags).args(["mount", "-t", "tmpfs", "none", "/mnt"]);
        unshare.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    })
});

/// Runs token-sync in a namespace of its own, where the shell commands `before` have changed the
/// mounts: `$folder` is `.openclaw`, `$config` the file. `after` runs when it has ended, and what
/// is in the folder then comes to `after/` beside it.
fn sync_mounted(home: &Home, before: &str, after: &str) -> Option<Ended> {
    sync_mounted_with(&[], home, before, after)
}

/// The same with more variables.
fn sync_mounted_with(
    variables: &[(&str, PathBuf)],
    home: &Home,
    before: &str,
    after: &str,
) -> Option<Ended> {
    let Some(flags) = *UNSHARE else {
        eprintln!("no mount namespace here: this volume was not tried");
        return None;
    };
    fs::create_dir(home.path("after")).unwrap();
    let script = format!(
        "set -e; config=$folder/openclaw.json; {before}
         code=0; \"$sidecar\" token-sync --config \"$config\" || code=$?
         {after}
         cp -a \"$folder\"/. \"$after\"; exit $code"
    );
    let mut shell = Command::new("unshare");
    shell
        .args(flags)
        .args(["bash", "-c", &script])
        .envs(home.command().get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.envs(variables.iter().map(|(name, value)| (name, value)));
    shell.env("folder", home.folder()).env("after", home.path("after")).env("sidecar", SIDECAR);
    Some(Ended::of(&mut shell))
}

/// In the mounted folder there was this file, and nothing else.
fn left(home: &Home, text: &str) {
    let after = home.path("after");
    assert_eq!(names(&after), ["openclaw.json"]);
    assert_eq!(fs::read_to_string(after.join("openclaw.json")).unwrap(), text);
}

/// A tmpfs over the folder, with the same file in it.
fn tmpfs(options: &str) -> String {
    format!(
        "old=$(cat \"$config\"; echo x); mount -t tmpfs -o {options} tmpfs \"$folder\"
         printf %s \"${{old%x}}\" > \"$config\"; "
    )
}

#[test]
fn a_full_volume_keeps_the_old_file() {
    let home = Home::with(OLD);
    // `head` fills what is left and then fails, as it must.
    let fill = "! head -c 1M /dev/zero > \"$folder\"/filler 2>/dev/null; ";
    let fill = format!("{}{fill}", tmpfs("size=64k"));
    let Some(ended) = sync_mounted(&home, &fill, "rm \"$folder\"/filler") else {
        return;
    };
    ended.badly(13, "cannot write ");
    assert!(ended.err.contains("the volume is full"), "{ended:?}");
    left(&home, OLD);
}

#[test]
fn a_volume_without_a_free_inode_keeps_the_old_file() {
    let home = Home::with(OLD);
    // One for the folder, one for the file.
    let Some(ended) = sync_mounted(&home, &tmpfs("nr_inodes=2"), "") else {
        return;
    };
    ended.badly(13, "cannot create ");
    left(&home, OLD);
}

#[test]
fn a_read_only_volume_is_named_and_one_that_agrees_already_will_do() {
    let read_only = "mount --bind \"$folder\" \"$folder\"; mount -o remount,bind,ro \"$folder\"; ";
    let home = Home::with(OLD);
    let Some(ended) = sync_mounted(&home, read_only, "") else {
        return;
    };
    ended.badly(12, "the volume is read-only");
    left(&home, OLD);
    let home = Home::with(NEW);
    let ended = sync_mounted(&home, read_only, "").unwrap();
    ended.well("gateway token already matches; file unchanged\n");
    left(&home, NEW);
}

#[test]
fn a_volume_that_refuses_a_new_file_keeps_the_broken_one_in_its_place() {
    let read_only = "mount --bind \"$folder\" \"$folder\"; mount -o remount,bind,ro \"$folder\"; ";
    let no_inode = tmpfs("nr_inodes=2");
    for (before, code) in [(read_only, 12), (no_inode.as_str(), 13)] {
        let home = Home::with("{broken");
        let reseed = [("BROKEN_CONFIG", "reseed".into()), ("OPENCLAW_SEED_PATH", home.seed(OLD))];
        let Some(ended) = sync_mounted_with(&reseed, &home, before, "") else {
            return;
        };
        ended.badly(code, "cannot create ");
        left(&home, "{broken");
    }
}

#[test]
fn a_file_mounted_by_itself_cannot_be_replaced() {
    let home = Home::with(OLD);
    let Some(ended) = sync_mounted(&home, "mount --bind \"$config\" \"$config\"; ", "") else {
        return;
    };
    ended.badly(14, "is a mount of its own (subPath)");
    left(&home, OLD);
}

#[test]
fn a_write_that_stops_half_way_keeps_the_old_file() {
    let home = Home::with(OLD);
    // A file-size limit stops the write of the temporary file. Without the trap it would be a
    // signal and no error.
    let mut shell = Command::new("bash");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"", SIDECAR]);
    let command = home.command();
    shell.args(command.get_args()).env_clear();
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ended = Ended::of(&mut shell);
    ended.badly(19, "cannot write ");
    assert!(ended.err.contains("File too large"), "{ended:?}");
    assert_eq!((home.text().as_str(), names(&home.folder()).len()), (OLD, 1));
}

#[test]
fn a_folder_or_file_of_somebody_else_is_named() {
    let folder_refuses = Home::with(OLD);
    permit(&folder_refuses, 0o644, 0o555);
    as_somebody(&folder_refuses).badly(11, "cannot create ");
    permit(&folder_refuses, 0o644, 0o755);
    assert_eq!((folder_refuses.text().as_str(), names(&folder_refuses.folder()).len()), (OLD, 1));

    let file_refuses = Home::with(OLD);
    permit(&file_refuses, 0o000, 0o755);
    let ended = as_somebody(&file_refuses);
    ended.badly(11, "cannot read ");
    assert!(ended.err.contains("runAsUser"), "{ended:?}");
}

fn permit(home: &Home, file: u32, folder: u32) {
    fs::set_permissions(home.config(), Permissions::from_mode(file)).unwrap();
    fs::set_permissions(home.folder(), Permissions::from_mode(folder)).unwrap();
}

/// Runs token-sync as a user to whom permissions apply.
fn as_somebody(home: &Home) -> Ended {
    // The build's own folder may be closed to others.
    let reachable = home.path("sidecar");
    fs::copy(SIDECAR, &reachable).unwrap();
    let command = home.command();
    let mut somebody = Command::new(reachable);
    somebody.args(command.get_args()).env_clear();
    somebody.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if is_root() {
        somebody.uid(65_534).gid(65_534);
    }
    Ended::of(&mut somebody)
}
