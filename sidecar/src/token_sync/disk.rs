//! Reads the file, and replaces it so that at every moment the old or the new one is there, whole.

use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, fchown},
    path::{Path, PathBuf},
};

use super::{Failure, json5::SyntaxError};

/// The largest file that is read, in bytes. A ConfigMap holds 1 MiB at most.
pub(super) const LARGEST: u64 = 4 << 20;

/// The file holds the gateway token.
const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

/// Reads the runtime's file; nothing where there is none. A symbolic link is refused: replacing it
/// would leave what it points to as it was, and cut the two apart without a word.
pub(super) fn read_config(path: &Path) -> Result<Option<String>, Failure> {
    read(path, fs::symlink_metadata(path))
}

/// Reads a seed. It may be a link, as every file of a mounted ConfigMap is.
pub(super) fn read_seed(path: &Path) -> Result<Option<String>, Failure> {
    read(path, fs::metadata(path))
}

fn read(path: &Path, metadata: io::Result<Metadata>) -> Result<Option<String>, Failure> {
    let io_failure = |error| Failure::io("read", path, error);
    let metadata = match metadata {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(io_failure)?,
    };
    // Before opening: opening a pipe would wait for its other end.
    if let Some(found) = special(&metadata) {
        return Err(Failure::NotAFile { path: path.to_owned(), found });
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(io_failure)?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(io_failure)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Failure::TooLarge { path: path.to_owned() });
    }
    match SyntaxError::check_utf8(&bytes) {
        Ok(text) => Ok(Some(text.to_owned())),
        Err(error) => Err(Failure::NotJson5 { path: path.to_owned(), error }),
    }
}

fn special(metadata: &Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    match () {
        () if kind.is_file() => None,
        () if kind.is_symlink() => Some("a symbolic link"),
        () if kind.is_dir() => Some("a folder"),
        () => Some("a device, pipe or socket"),
    }
}

/// Puts `text` in the place of the file, which need not exist, nor its folders.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    put(path, text, rename)
}

/// A file that was kept aside: its name before, and now.
pub(super) type Kept = (PathBuf, PathBuf);

/// The same, but keeps `old` files aside first, those of them that are there.
pub(super) fn replace_and_keep(
    path: &Path,
    text: &str,
    old: &[PathBuf],
) -> Result<Vec<Kept>, Failure> {
    let mut kept = Vec::new();
    let swapped = put(path, text, |temporary, path| {
        for old in old.iter().filter(|old| fs::symlink_metadata(old).is_ok()) {
            let aside = free_name(old);
            fs::rename(old, &aside).map_err(|error| Failure::io("keep aside", old, error))?;
            kept.push((old.clone(), aside));
        }
        rename(temporary, path)
    });
    match swapped {
        // The new file is in place.
        Ok(()) | Err(Failure::NotFlushed { .. }) => swapped.map(|()| kept),
        Err(failure) => {
            for (old, aside) in &kept {
                let _ = fs::rename(aside, old);
            }
            Err(failure)
        }
    }
}

/// The first of `<file>.kept`, `<file>.kept-2`, ... that is not taken: what was kept is not lost to the
/// next that breaks.
fn free_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let numbered = (2_u64..).map(|number| path.with_file_name(format!("{name}.kept-{number}")));
    let mut names = std::iter::once(path.with_file_name(format!("{name}.kept"))).chain(numbered);
    // There is always one: a folder has an end, the numbers have none.
    names.find(|name| fs::symlink_metadata(name).is_err()).unwrap_or_default()
}

/// Writes `text` beside the file, and has `swap` put it in its place.
fn put(
    path: &Path,
    text: &str,
    swap: impl FnOnce(&Path, &Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    make_folder(folder)?;
    let handle = File::open(folder).map_err(|error| Failure::io("open", folder, error))?;
    lock(&handle, folder)?;
    let temporary = temporary(path);
    write(&temporary, path, text)
        .and_then(|()| swap(&temporary, path))
        .inspect_err(|_| discard(&temporary))?;
    match handle.sync_all() {
        // Some network file systems cannot flush a folder, and do not need to.
        Err(error) if error.kind() != ErrorKind::InvalidInput => {
            Err(Failure::NotFlushed { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// A fresh volume is mounted above the folder that OpenClaw would make itself.
fn make_folder(folder: &Path) -> Result<(), Failure> {
    let made = fs::DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder);
    made.map_err(|error| Failure::io("make the folder", folder, error))
}

/// The temporary file has one name, so that what a crash left is overwritten and not collected.
/// The lock keeps a second token-sync from taking it for such a leftover. It ends with the handle.
fn lock(handle: &File, folder: &Path) -> Result<(), Failure> {
    match handle.try_lock() {
        Err(TryLockError::WouldBlock) => Err(Failure::Busy { folder: folder.to_owned() }),
        // Some network file systems cannot lock a folder. There, one pod for one user has to do.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.token-sync"))
}

fn write(temporary: &Path, path: &Path, text: &str) -> Result<(), Failure> {
    discard(temporary);
    let file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(temporary);
    let mut file = file.map_err(|error| Failure::io("create", temporary, error))?;
    keep_owner(&file, path);
    file.write_all(text.as_bytes()).map_err(|error| Failure::io("write", temporary, error))?;
    file.sync_all().map_err(|error| Failure::io("flush", temporary, error))
}

fn rename(temporary: &Path, path: &Path) -> Result<(), Failure> {
    fs::rename(temporary, path).map_err(|error| match error.kind() {
        ErrorKind::ResourceBusy => {
            Failure::NotAFile { path: path.to_owned(), found: "a mount of its own (subPath)" }
        }
        _ => Failure::io("replace", path, error),
    })
}

/// Somebody who repairs a home as root must not lock its owner out. Who may not give a file away is
/// its owner already, or becomes it.
fn keep_owner(new: &File, path: &Path) {
    if let (Ok(new_metadata), Ok(old)) = (new.metadata(), fs::symlink_metadata(path))
        && (new_metadata.uid(), new_metadata.gid()) != (old.uid(), old.gid())
    {
        let _ = fchown(new, Some(old.uid()), Some(old.gid()));
    }
}

/// Removes a temporary file if it is there. Where that fails, creating one fails too, and says why.
fn discard(temporary: &Path) {
    let _ = fs::remove_file(temporary);
}
