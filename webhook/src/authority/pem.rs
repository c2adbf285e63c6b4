//! Certificates as PEM text: taken apart, compared by what they say, put together.

use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::{UnixTime, ca::Validity};

/// The certificates in `text`. What is no certificate is left out: a `caBundle` may hold anything.
pub(super) fn certificates(text: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(text).filter_map(Result::ok).collect()
}

/// Whether everything that `trusted` certifies is among `bundle`.
pub(super) fn contains(bundle: &[u8], trusted: &str) -> bool {
    let bundle = certificates(bundle);
    let trusted = certificates(trusted.as_bytes());
    !trusted.is_empty() && trusted.iter().all(|certificate| bundle.contains(certificate))
}

/// The certificates in `text`, as PEM and nothing else.
pub(super) fn only_certificates(text: &[u8]) -> String {
    certificates(text).iter().map(to_pem).collect()
}

/// The certificates in `text` that are valid at `now`, as PEM.
pub(super) fn still_valid(text: &[u8], now: UnixTime) -> String {
    certificates(text)
        .iter()
        .filter(|certificate| {
            Validity::of(certificate).is_some_and(|validity| validity.covers(now))
        })
        .map(to_pem)
        .collect()
}

fn to_pem(certificate: &CertificateDer<'static>) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};

    let text = STANDARD.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    // RFC 7468: lines of 64 characters.
    while let Some((line, more)) = rest.split_at_checked(64) {
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    if !rest.is_empty() {
        pem.push_str(rest);
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}
