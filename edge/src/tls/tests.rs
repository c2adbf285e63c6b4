use std::{
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

use super::*;

/// A chain and its key, as PEM.
fn pair() -> (String, String) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

struct Files(TempDir);

impl Files {
    fn holding((chain, key): (String, String)) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.put("tls.crt", &chain);
        files.put("tls.key", &key);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn load(&self) -> Result<Certificates, TlsError> {
        self.load_for(Clients::anyone())
    }

    fn load_for(&self, clients: Clients) -> Result<Certificates, TlsError> {
        Certificates::load(&self.path("tls.crt"), &self.path("tls.key"), clients)
    }
}

#[test]
fn each_unusable_pair_is_named() {
    let (chain, key) = pair();
    let refused =
        |chain: &str, key: &str| server_config(chain.as_bytes(), key.as_bytes()).unwrap_err();
    assert!(matches!(refused("", &key), TlsError::NoCertificate));
    assert!(matches!(refused(&key, &key), TlsError::NoCertificate));
    assert!(matches!(refused(&chain[..200], &key), TlsError::Chain(_) | TlsError::NoCertificate));
    assert!(matches!(refused(&chain, ""), TlsError::Key(_)));
    assert!(matches!(refused(&chain, &pair().1), TlsError::Pair(_)));
}

#[test]
fn a_missing_file_is_named_before_anything_is_served() {
    let error = Files(tempfile::tempdir().unwrap()).load().unwrap_err();
    assert!(error.to_string().ends_with("tls.crt"), "{error}");
}

#[test]
fn a_new_pair_is_served_and_a_bad_one_is_not() {
    let files = Files::holding(pair());
    let mut certificates = files.load().unwrap();
    let served = certificates.config();
    let first = served.current();
    assert_eq!(certificates.reload().unwrap(), Reload::Unchanged);

    let (chain, key) = pair();
    files.put("tls.crt", &chain);
    assert!(matches!(certificates.reload(), Err(TlsError::Pair(_))), "half of a new pair");
    assert_eq!(certificates.reload().unwrap(), Reload::Unchanged, "said once");
    assert!(Arc::ptr_eq(&first, &served.current()), "the last good one stays");
    assert!(!certificates.is_good());

    files.put("tls.key", &key);
    assert_eq!(certificates.reload().unwrap(), Reload::Replaced);
    assert!(!Arc::ptr_eq(&first, &served.current()));
    assert!(certificates.is_good());
}

#[test]
fn a_bad_pair_that_is_taken_back_is_forgotten() {
    let (chain, key) = pair();
    let files = Files::holding((chain.clone(), key));
    let mut certificates = files.load().unwrap();
    files.put("tls.crt", &pair().0);
    certificates.reload().unwrap_err();
    files.put("tls.crt", &chain);
    assert_eq!(certificates.reload().unwrap(), Reload::Unchanged);
    assert!(certificates.is_good());
}

#[test]
fn files_that_vanish_are_told_once_and_leave_what_is_served() {
    let (chain, key) = pair();
    let files = Files::holding((chain.clone(), key));
    let mut certificates = files.load().unwrap();
    std::fs::remove_file(files.path("tls.crt")).unwrap();
    assert!(matches!(certificates.reload(), Err(TlsError::Unreadable { .. })));
    assert_eq!(certificates.reload().unwrap(), Reload::Unchanged, "said once");
    assert!(!certificates.is_good());
    files.put("tls.crt", &chain);
    assert_eq!(certificates.reload().unwrap(), Reload::Unchanged);
    assert!(certificates.is_good());
}

/// The kubelet's way of changing a Secret volume: a new folder, then a link to it renamed over the
/// old one, and the old folder removed.
fn swap(volume: &Path, generation: &str, (chain, key): &(String, String)) {
    let folder = volume.join(generation);
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("tls.crt"), chain).unwrap();
    std::fs::write(folder.join("tls.key"), key).unwrap();
    let before = std::fs::read_link(volume.join("..data")).ok();
    symlink(generation, volume.join("..data_tmp")).unwrap();
    std::fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    if let Some(before) = before {
        std::fs::remove_dir_all(volume.join(before)).unwrap();
    }
}

#[test]
fn a_secret_volume_that_changes_twice_is_followed_twice() {
    let volume = tempfile::tempdir().unwrap();
    let volume = volume.path();
    let pairs = [pair(), pair(), pair()];
    swap(volume, "..1", &pairs[0]);
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), volume.join(name)).unwrap();
    }
    let (chain, key) = (volume.join("tls.crt"), volume.join("tls.key"));
    let mut certificates = Certificates::load(&chain, &key, Clients::anyone()).unwrap();
    for (generation, pair) in [("..2", &pairs[1]), ("..3", &pairs[2])] {
        swap(volume, generation, pair);
        assert_eq!(certificates.reload().unwrap(), Reload::Replaced, "{generation}");
        let expected = chain_of(pair.0.as_bytes()).unwrap();
        assert_eq!(certificates.chain().unwrap(), expected, "{generation}");
        assert_eq!(certificates.reload().unwrap(), Reload::Unchanged, "{generation}");
    }
}

#[test]
fn a_chain_is_served_whole() {
    let (leaf, key) = pair();
    let files = Files::holding((leaf + &pair().0, key));
    assert_eq!(files.load().unwrap().chain().unwrap().len(), 2);
}

#[test]
fn the_cas_of_clients_are_reread_and_the_last_good_ones_kept() {
    let files = Files::holding(pair());
    files.put("ca.crt", "nothing");
    let clients = Clients::signed_by(&files.path("ca.crt"));
    assert!(matches!(clients.unwrap_err(), TlsError::NoCertificate));
    files.put("ca.crt", &pair().0);
    let clients = Clients::signed_by(&files.path("ca.crt")).unwrap();
    let mut certificates = files.load_for(clients).unwrap();
    let served = certificates.config();
    let first = served.current();

    files.put("ca.crt", "nothing");
    certificates.reload().unwrap_err();
    assert_eq!(certificates.reload().unwrap(), Reload::Unchanged, "said once");
    assert!(!certificates.is_good());
    assert!(Arc::ptr_eq(&first, &served.current()));

    files.put("ca.crt", &pair().0);
    assert_eq!(certificates.reload().unwrap(), Reload::Replaced);
    assert!(!Arc::ptr_eq(&first, &served.current()));
    assert!(certificates.is_good());
}
