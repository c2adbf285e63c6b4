//! A folder with an authority and one serving certificate, as the command line keeps it.

use std::{
    fs::{self, Permissions},
    io::{self, ErrorKind, Write as _},
    net::IpAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rcgen::{KeyPair, PublicKeyData as _};

use crate::{Authority, Error, Leaf, Validity, certificate::Summary};

/// The authority's certificate.
pub const CA_CERTIFICATE: &str = "ca.crt";
/// The authority's key, which makes the next run reuse the authority.
pub const CA_KEY: &str = "ca.key";
/// The serving certificate.
pub const CERTIFICATE: &str = "tls.crt";
/// The serving certificate's key.
pub const KEY: &str = "tls.key";

/// By this common name the program knows its own files again, and overwrites no others.
const AUTHORITY: &str = "bp-openclaw development CA";

/// Long enough never to be in the way of development.
const AUTHORITY_DAYS: u16 = 3650;

const PUBLIC: u32 = 0o644;
const SECRET: u32 = 0o600;

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// Somebody else made this file, or changed it.
    #[error("{} was not made by certs-dev ({why}): move it away, or choose another --out", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What gives it away.
        why: &'static str,
    },
    /// A certificate could not be made.
    #[error(transparent)]
    Certificate(#[from] Error),
    /// A file could not be read or written.
    #[error("{}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// What is in the folder now.
#[derive(Debug)]
pub struct Issued {
    /// The authority that signed the leaf.
    pub authority: Authority,
    /// Whether the authority was there already.
    pub reused: bool,
    /// The new serving certificate.
    pub leaf: Leaf,
}

/// Makes a serving certificate in `out`, and the authority too where none is there that still
/// counts. All files are looked at before the first is written.
pub fn issue(out: &Path, dns: &[&str], ips: &[IpAddr], days: u16) -> Result<Issued, FolderError> {
    let folder = Folder(out);
    let present = folder.authority()?;
    folder.check_leaf()?;
    let reused = present.is_some();
    let authority = match present {
        Some(authority) => authority,
        None => Authority::new(AUTHORITY, Validity::days(AUTHORITY_DAYS))?,
    };
    let leaf = authority.server(dns, ips, Validity::days(days))?;
    fs::create_dir_all(out).map_err(|error| io_error(out, error))?;
    if !reused {
        folder.write(CA_KEY, SECRET, &authority.key_pem())?;
        folder.write(CA_CERTIFICATE, PUBLIC, authority.certificate_pem())?;
    }
    folder.write(CERTIFICATE, PUBLIC, leaf.certificate_pem())?;
    folder.write(KEY, SECRET, &leaf.key_pem())?;
    Ok(Issued { authority, reused, leaf })
}

struct Folder<'a>(&'a Path);

impl Folder<'_> {
    /// The authority, if one is there and its certificate counts today.
    fn authority(&self) -> Result<Option<Authority>, FolderError> {
        let (certificate, key) = match (self.read(CA_CERTIFICATE)?, self.read(CA_KEY)?) {
            (None, None) => return Ok(None),
            (Some(_), None) => return Err(self.foreign(CA_CERTIFICATE, "ca.key is not beside it")),
            (None, Some(_)) => return Err(self.foreign(CA_KEY, "ca.crt is not beside it")),
            (Some(certificate), Some(key)) => (certificate, key),
        };
        let summary = self.summary(CA_CERTIFICATE, &certificate)?;
        if summary.subject.as_deref() != Some(AUTHORITY) {
            return Err(self.foreign(CA_CERTIFICATE, "its subject is another"));
        }
        let authority = Authority::from_pem(&certificate, &key).map_err(|error| match error {
            Error::OtherKey => self.foreign(CA_KEY, "it does not belong to ca.crt"),
            Error::NotAKey(_) => self.foreign(CA_KEY, "it is not a private key"),
            other => FolderError::Certificate(other),
        })?;
        Ok(Some(authority).filter(|it| it.validity().contains(SystemTime::now())))
    }

    /// Whether the leaf's files may be overwritten, if there are any.
    fn check_leaf(&self) -> Result<(), FolderError> {
        let (certificate, key) = match (self.read(CERTIFICATE)?, self.read(KEY)?) {
            (None, None) => return Ok(()),
            (None, Some(_)) => return Err(self.foreign(KEY, "tls.crt is not beside it")),
            (Some(certificate), key) => (certificate, key),
        };
        let summary = self.summary(CERTIFICATE, &certificate)?;
        if summary.issuer.as_deref() != Some(AUTHORITY) {
            return Err(self.foreign(CERTIFICATE, "its issuer is another"));
        }
        let Some(key) = key else { return Ok(()) };
        let key =
            KeyPair::from_pem(&key).map_err(|_| self.foreign(KEY, "it is not a private key"))?;
        if key.subject_public_key_info() != summary.public_key {
            return Err(self.foreign(KEY, "it does not belong to tls.crt"));
        }
        Ok(())
    }

    fn summary(&self, name: &str, pem: &str) -> Result<Summary, FolderError> {
        Summary::of(pem).map_err(|_| self.foreign(name, "it is not a certificate"))
    }

    fn read(&self, name: &str) -> Result<Option<String>, FolderError> {
        let path = self.0.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                Err(self.foreign(name, "it is not PEM"))
            }
            Err(error) => Err(io_error(&path, error)),
        }
    }

    /// Whole or not at all, and never readable by more people than it will be.
    fn write(&self, name: &str, mode: u32, text: &str) -> Result<(), FolderError> {
        let path = self.0.join(name);
        let write = || {
            let permissions = Permissions::from_mode(mode);
            let mut file = tempfile::Builder::new().permissions(permissions).tempfile_in(self.0)?;
            file.write_all(text.as_bytes())?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|error| io_error(&path, error))
    }

    fn foreign(&self, name: &str, why: &'static str) -> FolderError {
        FolderError::Foreign { path: self.0.join(name), why }
    }
}

fn io_error(path: &Path, source: io::Error) -> FolderError {
    FolderError::Io { path: path.to_owned(), source }
}
