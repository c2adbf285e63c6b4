//! Everything that can go wrong, each with a message that says what to do, and an exit code.

use std::{
    io,
    path::{Path, PathBuf},
};

use contract::annotation;

use super::{
    disk::LARGEST,
    json5::{EditError, SyntaxError},
    wanted::EnvironmentError,
};

/// Why the file is not as it should be. It is as it was, and no temporary file is left, with the
/// one exception of [`Failure::NotFlushed`].
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error(
        "{} is absent or broken, and no --seed was given to make it from", config.display()
    )]
    Absent { config: PathBuf },
    #[error(
        "{} is absent or broken, and its seed {} does not exist: is the ConfigMap mounted, and does \
         it have that key?", config.display(), seed.display()
    )]
    SeedAbsent { config: PathBuf, seed: PathBuf },
    #[error(
        "cannot {action} {}: permission denied; token-sync must run as the user who owns the file \
         and its folder: runAsUser as in the runtime's container, fsGroup for a fresh volume",
        path.display()
    )]
    Denied { action: &'static str, path: PathBuf },
    #[error(
        "cannot {action} {}: the volume is read-only; its mount in the token-sync container must \
         not say readOnly", path.display()
    )]
    ReadOnly { action: &'static str, path: PathBuf },
    #[error(
        "cannot {action} {}: the volume is full, or a quota on it is used up; free space or \
         enlarge its claim", path.display()
    )]
    Full { action: &'static str, path: PathBuf },
    #[error(
        "{} is {found}, expected a regular file: it is replaced by renaming, by OpenClaw too",
        path.display()
    )]
    NotAFile { path: PathBuf, found: &'static str },
    #[error("{} is larger than {} KiB, so it is no configuration", path.display(), LARGEST / 1024)]
    TooLarge { path: PathBuf },
    #[error("{} is not valid JSON5: {error}", path.display())]
    NotJson5 { path: PathBuf, error: SyntaxError },
    #[error("{} does not have the shape of OpenClaw's configuration: {error}", path.display())]
    Shape { path: PathBuf, error: EditError },
    /// The user's own file, not the seed.
    #[error(
        "{cause}; mend it (OpenClaw's own copies are beside it: .last-good, .bak), or run with \
         --broken-config reseed (annotation {}: reseed), which keeps it aside and makes a new one \
         from the seed",
        annotation::BROKEN_CONFIG
    )]
    Broken { cause: Box<Self> },
    #[error("another token-sync is at work in {}: two pods share one home", folder.display())]
    Busy { folder: PathBuf },
    #[error("{} is in place, but the volume does not confirm that it would survive a crash", path.display())]
    NotFlushed { path: PathBuf, source: io::Error },
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

/// What a script can tell apart. Its table is part of `--help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Exit {
    Absent = 10,
    Denied = 11,
    ReadOnly = 12,
    Full = 13,
    NotAFile = 14,
    TooLarge = 15,
    NotJson5 = 16,
    Shape = 17,
    Busy = 18,
    Io = 19,
    Environment = 78,
}

impl Exit {
    const TABLE: [(Self, &str); 11] = [
        (Self::Absent, "the file is absent, and there is no seed to make it from"),
        (Self::Denied, "permission denied (EACCES, EPERM)"),
        (Self::ReadOnly, "read-only volume (EROFS)"),
        (Self::Full, "full volume, or used-up quota (ENOSPC, EDQUOT)"),
        (Self::NotAFile, "a symbolic link, folder or other special file stands in its place"),
        (Self::TooLarge, "larger than any configuration"),
        (Self::NotJson5, "not valid JSON5; the message names line and column"),
        (Self::Shape, "valid JSON5, but no object where one is needed"),
        (Self::Busy, "another token-sync is at work in the same folder"),
        (Self::Io, "any other failure of the volume"),
        (Self::Environment, "a variable is missing, empty or not usable; the message names it"),
    ];

    /// The table of exit codes, for `--help`.
    pub(super) fn table() -> String {
        let rows = Self::TABLE.map(|(exit, meaning)| format!("\n  {:>2}  {meaning}", exit as u8));
        format!(
            "Exit codes:\n   0  the file is as it should be\n   2  wrong usage{}\n\nAfter a failure \
             the file is as it was.",
            rows.concat()
        )
    }
}

impl Failure {
    /// Classifies what the operating system said.
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied { action, path },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { action, path },
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { action, path }
            }
            _ => Self::Io { action, path, source },
        }
    }

    /// Blames the file that the text came from.
    pub(super) fn edit(path: &Path, error: EditError) -> Self {
        let path = path.to_owned();
        match error {
            EditError::Syntax(error) => Self::NotJson5 { path, error },
            error @ EditError::NotAnObject { .. } => Self::Shape { path, error },
        }
    }

    /// Whether the file can be read and its text is of no use.
    pub(super) fn is_about_text(&self) -> bool {
        matches!(self, Self::NotJson5 { .. } | Self::Shape { .. })
    }

    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Broken { cause } => cause.exit(),
            Self::Environment(_) => Exit::Environment,
            Self::Absent { .. } | Self::SeedAbsent { .. } => Exit::Absent,
            Self::Denied { .. } => Exit::Denied,
            Self::ReadOnly { .. } => Exit::ReadOnly,
            Self::Full { .. } => Exit::Full,
            Self::NotAFile { .. } => Exit::NotAFile,
            Self::TooLarge { .. } => Exit::TooLarge,
            Self::NotJson5 { .. } => Exit::NotJson5,
            Self::Shape { .. } => Exit::Shape,
            Self::Busy { .. } => Exit::Busy,
            Self::NotFlushed { .. } | Self::Io { .. } => Exit::Io,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Exit, Failure};
    use std::{collections::BTreeSet, io, path::Path};

    #[test]
    fn what_the_operating_system_says_has_a_code_of_its_own() {
        for (errno, exit) in [
            (13, Exit::Denied),   // EACCES
            (1, Exit::Denied),    // EPERM
            (30, Exit::ReadOnly), // EROFS
            (28, Exit::Full),     // ENOSPC
            (122, Exit::Full),    // EDQUOT
            (27, Exit::Io),       // EFBIG
            (5, Exit::Io),        // EIO
        ] {
            let failure =
                Failure::io("write", Path::new("/f"), io::Error::from_raw_os_error(errno));
            assert_eq!(failure.exit(), exit, "errno {errno}: {failure}");
            assert!(failure.to_string().contains("cannot write /f"), "{failure}");
        }
    }

    #[test]
    fn the_table_has_each_code_once_and_none_of_claps() {
        let codes: BTreeSet<u8> = Exit::TABLE.iter().map(|(exit, _)| *exit as u8).collect();
        assert_eq!(codes.len(), Exit::TABLE.len());
        assert!(codes.is_disjoint(&BTreeSet::from([0, 1, 2])), "{codes:?}");
    }
}
