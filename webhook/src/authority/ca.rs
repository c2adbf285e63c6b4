//! A CA and the leaves that it signs: pure, apart from random numbers.

use std::{fmt, time::Duration};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData,
};
use rustls_pki_types::CertificateDer;

use super::{UnixTime, pem};

/// Certificates begin this much before they are made, for clocks that run behind. In seconds.
const BACKDATE: i64 = 3600;

/// From when to when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub not_before: UnixTime,
    pub not_after: UnixTime,
}

/// A certificate authority with its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Ca {
    certificate: String,
    key: String,
    validity: Validity,
}

/// A serving certificate with its key. It is never written anywhere.
pub struct Leaf {
    /// PEM, for [`edge::tls::server_config`].
    pub certificate: String,
    /// PEM.
    pub key: String,
    pub validity: Validity,
}

/// What is stored is no usable CA, or a certificate cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    #[error("the CA certificate is not valid PEM")]
    NoCertificate,
    #[error("the CA certificate cannot be read, or is none of a CA")]
    NotACa,
    #[error("the CA's key does not belong to its certificate")]
    OtherKey,
    #[error("the CA's key, or a new certificate, is not possible")]
    Crypto(#[from] rcgen::Error),
}

impl Ca {
    /// A new CA that begins to be valid a little before `now` and ends `life` after it.
    pub fn generate(now: UnixTime, life: Duration) -> Result<Self, CaError> {
        let validity = Validity::starting(now, life);
        let mut params = validity.params(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        // Two CAs that overlap must not have one name: verifiers look an issuer up by it.
        params.distinguished_name = named(&format!("openclaw webhook CA {now}"));
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(Self { certificate: certificate.pem(), key: key.serialize_pem(), validity })
    }

    /// The CA that was stored as two PEM texts.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, CaError> {
        let der = pem::certificates(certificate.as_bytes());
        let der = der.first().ok_or(CaError::NoCertificate)?;
        let (_, parsed) =
            x509_parser::parse_x509_certificate(der).map_err(|_unreadable| CaError::NotACa)?;
        let validity = Validity::of(der).ok_or(CaError::NotACa)?;
        let pair = KeyPair::from_pem(key)?;
        if !parsed.is_ca() {
            return Err(CaError::NotACa);
        }
        if parsed.public_key().raw != pair.subject_public_key_info() {
            return Err(CaError::OtherKey);
        }
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), validity })
    }

    /// A serving certificate for `names`, valid for `life` or until the CA itself ends.
    pub fn issue(
        &self,
        names: Vec<String>,
        now: UnixTime,
        life: Duration,
    ) -> Result<Leaf, CaError> {
        let mut validity = Validity::starting(now, life);
        validity.not_after = validity.not_after.min(self.validity.not_after);
        let mut params = validity.params(names)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        params.distinguished_name = named("openclaw webhook");
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, KeyPair::from_pem(&self.key)?)?;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(Leaf { certificate: certificate.pem(), key: key.serialize_pem(), validity })
    }

    /// PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// PEM, for the Secret alone.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// From when to when.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// When it was made.
    pub(super) fn made(&self) -> UnixTime {
        self.validity.not_before.saturating_add(BACKDATE)
    }
}

impl Validity {
    fn starting(now: UnixTime, life: Duration) -> Self {
        let life = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
        Self { not_before: now.saturating_sub(BACKDATE), not_after: now.saturating_add(life) }
    }

    /// Of a certificate; `None` when it is none.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let validity = parsed.validity();
        Some(Self {
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
        })
    }

    /// Whether it is valid at `now`.
    #[must_use]
    pub fn covers(self, now: UnixTime) -> bool {
        (self.not_before..self.not_after).contains(&now)
    }

    /// Whether another should take over: two thirds are gone, or the clock is outside.
    #[must_use]
    pub fn is_due(self, now: UnixTime) -> bool {
        let made = self.not_before.saturating_add(BACKDATE);
        let due = made.saturating_add(self.not_after.saturating_sub(made) / 3 * 2);
        !self.covers(now) || now >= due
    }

    fn params(self, names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
        let at = |time: UnixTime| {
            let since = Duration::from_secs(time.try_into().unwrap_or_default());
            rcgen::date_time_ymd(1970, 1, 1) + since
        };
        let mut params = CertificateParams::new(names)?;
        params.not_before = at(self.not_before);
        params.not_after = at(self.not_after);
        Ok(params)
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca").field("validity", &self.validity).finish_non_exhaustive()
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf").field("validity", &self.validity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = 1_800_000_000;
    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn a_stored_ca_comes_back() {
        let ca = Ca::generate(NOW, 30 * DAY).unwrap();
        assert_eq!(Ca::from_pem(ca.certificate(), ca.key()).unwrap(), ca);
        assert_eq!(ca.validity().not_after, NOW + 30 * 86_400);
    }

    #[test]
    fn what_is_no_ca_is_told_apart() {
        let ca = Ca::generate(NOW, DAY).unwrap();
        let other = Ca::generate(NOW, DAY).unwrap();
        let leaf = ca.issue(vec!["a.b.svc".into()], NOW, DAY).unwrap();
        let error = |certificate: &str, key: &str| Ca::from_pem(certificate, key).unwrap_err();
        assert!(matches!(error("nonsense", ca.key()), CaError::NoCertificate));
        assert!(matches!(error(ca.certificate(), "nonsense"), CaError::Crypto(_)));
        assert!(matches!(error(ca.certificate(), other.key()), CaError::OtherKey));
        assert!(matches!(error(&leaf.certificate, &leaf.key), CaError::NotACa));
    }

    #[test]
    fn a_leaf_never_outlives_its_ca() {
        let ca = Ca::generate(NOW, DAY).unwrap();
        let leaf = ca.issue(vec!["a.b.svc".into()], NOW, 7 * DAY).unwrap();
        assert_eq!(leaf.validity.not_after, ca.validity().not_after);
    }

    #[test]
    fn a_certificate_is_due_at_two_thirds_or_outside_its_time() {
        let validity = Validity::starting(NOW, Duration::from_secs(300));
        for (time, due) in
            [(0, false), (199, false), (200, true), (300, true), (-3600, false), (-3601, true)]
        {
            assert_eq!(validity.is_due(NOW + time), due, "{time}");
        }
    }

    #[test]
    fn nothing_prints_a_key() {
        let ca = Ca::generate(NOW, DAY).unwrap();
        let leaf = ca.issue(vec![], NOW, DAY).unwrap();
        let printed = format!("{ca:?} {leaf:?}");
        assert!(!printed.contains("KEY"), "{printed}");
    }
}
