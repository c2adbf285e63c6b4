use std::path::Path;

use edge::{readiness::Readiness, tls::Clients};
use prometheus_client::{encoding::text::encode, registry::Registry};

use super::*;
use crate::authority::Ca;

const DAY: Duration = Duration::from_hours(24);
const NAME: &str = "webhook.system.svc";

/// A CA in `ca.crt`, and a certificate for `life` that it signed in `tls.crt` and `tls.key`.
fn put(folder: &Path, life: Duration) {
    let ca = Ca::generate(now(), 30 * DAY).unwrap();
    let leaf = ca.issue(vec![NAME.to_owned()], now(), life).unwrap();
    std::fs::write(folder.join("ca.crt"), ca.certificate()).unwrap();
    std::fs::write(folder.join("tls.crt"), leaf.certificate).unwrap();
    std::fs::write(folder.join("tls.key"), leaf.key).unwrap();
}

struct Told {
    readiness: Readiness,
    registry: std::sync::Arc<Registry>,
}

impl Told {
    fn metric(&self, line: &str) -> bool {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        text.lines().any(|found| found.starts_with(line))
    }

    fn ready(&self) -> (bool, String) {
        let snapshot = self.readiness.snapshot();
        (snapshot.is_ready(), snapshot.to_string())
    }
}

fn files(folder: &Path, trusted: bool) -> (Files, Told) {
    let (metrics, registry) = metrics::registry();
    let readiness = Readiness::new();
    let gate = readiness.gate("certificate");
    let path = |name: &str| folder.join(name);
    let certificates =
        Certificates::load(&path("tls.crt"), &path("tls.key"), Clients::anyone()).unwrap();
    let trusted = trusted.then(|| Trusted { ca: path("ca.crt"), name: NAME.to_owned() });
    let trust = Trusting::default();
    (Files { certificates, trusted, metrics, gate, trust }, Told { readiness, registry })
}

#[test]
fn the_end_of_certificate_and_ca_is_told() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), DAY);
    let (mut files, told) = files(folder.path(), true);
    files.look(now());
    assert!(told.ready().0);
    assert!(told.metric("openclaw_webhook_certificate_good 1"));
    let of = "openclaw_webhook_certificate_expiry_timestamp_seconds";
    for which in ["serving", "ca"] {
        // Seconds since 1970 have ten digits for some centuries.
        assert!(told.metric(&format!("{of}{{certificate=\"{which}\"}} 1")), "{which}");
    }
}

#[test]
fn a_bad_pair_is_told_in_metric_and_readiness_and_the_last_good_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), DAY);
    let (mut files, told) = files(folder.path(), true);
    files.look(now());
    let served = files.certificates.config().current();
    std::fs::write(folder.path().join("tls.key"), "nonsense").unwrap();
    for _ in 0..2 {
        files.look(now());
        assert!(told.metric("openclaw_webhook_certificate_good 0"));
        let (is_ready, words) = told.ready();
        assert!(is_ready && words.contains("the last good certificate stays"), "{words}");
    }
    assert!(std::sync::Arc::ptr_eq(&served, &files.certificates.config().current()));
    put(folder.path(), DAY);
    files.look(now());
    assert!(told.metric("openclaw_webhook_certificate_good 1"));
    assert_eq!(told.ready(), (true, "certificate: ready\n".to_owned()));
}

#[test]
fn a_certificate_that_nobody_renewed_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), DAY);
    let (mut files, told) = files(folder.path(), false);
    files.look(now());
    assert!(told.ready().0);
    files.look(now() + 25 * 3600);
    assert_eq!(told.ready(), (false, "certificate: the certificate is not valid now\n".to_owned()));
}

#[test]
fn trust_is_what_the_api_server_was_given_and_else_the_certificate_itself() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), DAY);
    for trusted in [true, false] {
        let (mut files, _) = files(folder.path(), trusted);
        files.look(now());
        let leaf = files.certificates.chain().unwrap().remove(0);
        let expected = match trusted {
            true => Trust::Signed {
                bundle: std::fs::read(folder.path().join("ca.crt")).unwrap(),
                name: NAME.to_owned(),
            },
            false => Trust::Exactly(leaf),
        };
        assert_eq!(*files.trust.now(), expected);
    }
}
