use crate::{Validity, certificate::Summary};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, SanType,
};
use std::{fmt, net::IpAddr};

/// The longest common name that X.509 allows, in characters (RFC 5280, appendix A, `ub-common-name`).
const LONGEST_COMMON_NAME: usize = 64;

/// Why a certificate could not be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Would be a certificate that matches no host.
    #[error(
        "{0:?} is not a DNS name: expected labels like `webhook.openclaw.svc`, the first may be `*`"
    )]
    DnsName(String),
    /// Clients look at the subject alternative names only.
    #[error("a server certificate needs at least one DNS name or IP address")]
    NoNames,
    /// Not PEM, or not X.509 within.
    #[error("not a PEM certificate")]
    NotACertificate,
    /// A leaf cannot sign.
    #[error("the certificate is not that of a certificate authority")]
    NotAnAuthority,
    /// Certificate and key come from two different pairs.
    #[error("the private key does not belong to the certificate")]
    OtherKey,
    /// Not PEM, or not a key that can sign here.
    #[error("not a PEM private key that can sign (PKCS#8, ECDSA P-256)")]
    NotAKey(#[source] rcgen::Error),
    /// The cryptography library refused.
    #[error("cannot make the certificate")]
    Make(#[from] rcgen::Error),
}

/// A certificate authority that signs leaves and no further authorities. ECDSA P-256.
pub struct Authority {
    certificate_pem: String,
    validity: Validity,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its private key. ECDSA P-256.
pub struct Leaf {
    certificate_pem: String,
    key: KeyPair,
    validity: Validity,
}

impl Authority {
    /// A new authority with a new key.
    pub fn new(common_name: &str, validity: Validity) -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let mut params = params(common_name, validity);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate_pem = params.self_signed(&key)?.pem();
        Ok(Self { certificate_pem, validity, issuer: Issuer::new(params, key) })
    }

    /// An authority made earlier, from the PEM text of its certificate and key. Whether it has
    /// expired is not asked: see [`Authority::validity`].
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, Error> {
        let summary = Summary::of(certificate_pem)?;
        if !summary.is_authority {
            return Err(Error::NotAnAuthority);
        }
        let key = KeyPair::from_pem(key_pem).map_err(Error::NotAKey)?;
        if key.subject_public_key_info() != summary.public_key {
            return Err(Error::OtherKey);
        }
        Ok(Self {
            certificate_pem: certificate_pem.to_owned(),
            validity: summary.validity,
            issuer: Issuer::from_ca_cert_pem(certificate_pem, key)?,
        })
    }

    /// A certificate for a TLS server under these names. It ends with the authority at the latest.
    pub fn server(&self, dns: &[&str], ips: &[IpAddr], validity: Validity) -> Result<Leaf, Error> {
        let dns_names = dns.iter().map(|name| dns_name(name)).collect::<Result<Vec<_>, _>>()?;
        let names: Vec<SanType> =
            dns_names.into_iter().chain(ips.iter().copied().map(SanType::IpAddress)).collect();
        let first =
            dns.first().map(ToString::to_string).or_else(|| ips.first().map(IpAddr::to_string));
        let first = first.ok_or(Error::NoNames)?;
        // Only people read it: clients match the alternative names.
        let common_name = if first.len() <= LONGEST_COMMON_NAME { &first } else { "server" };
        let mut params = params(common_name, validity);
        params.subject_alt_names = names;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params, validity)
    }

    /// A certificate for a TLS client. Kubernetes takes the common name for the user and the
    /// organisation for its group (rcgen writes one at most). It ends with the authority at the
    /// latest.
    pub fn client(
        &self,
        common_name: &str,
        organisation: Option<&str>,
        validity: Validity,
    ) -> Result<Leaf, Error> {
        let mut params = params(common_name, validity);
        if let Some(organisation) = organisation {
            params.distinguished_name.push(DnType::OrganizationName, organisation);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, validity)
    }

    /// The certificate, PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The private key, PEM (PKCS#8). A secret.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// The value of `caBundle` in a webhook configuration: base64 of the PEM certificate.
    #[must_use]
    pub fn ca_bundle(&self) -> String {
        STANDARD.encode(&self.certificate_pem)
    }

    /// When the authority's certificate counts.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }

    fn sign(&self, mut params: CertificateParams, wanted: Validity) -> Result<Leaf, Error> {
        let key = KeyPair::generate()?;
        let validity = wanted.until_at_most(self.validity.not_after());
        params.not_after = validity.not_after().into();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let certificate_pem = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Leaf { certificate_pem, key, validity })
    }
}

impl Leaf {
    /// The certificate, PEM. The authority signs leaves directly, so this is the whole chain.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The private key, PEM (PKCS#8). A secret.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// When the certificate counts.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.validity
    }
}

// By hand, so that no key is ever printed.
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("validity", &self.validity).finish_non_exhaustive()
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf").field("validity", &self.validity).finish_non_exhaustive()
    }
}

fn params(common_name: &str, validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = validity.not_before().into();
    params.not_after = validity.not_after().into();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

/// Whether a certificate can name this host: a DNS name whose first label may be `*`.
pub fn check_dns_name(name: &str) -> Result<(), Error> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let fixed = name.strip_prefix("*.").unwrap_or(name);
    // No client would look for an address among the names.
    let is_address = name.parse::<IpAddr>().is_ok();
    if name.len() <= 253 && !is_address && fixed.split('.').all(is_label) {
        Ok(())
    } else {
        Err(Error::DnsName(name.to_owned()))
    }
}

fn dns_name(name: &str) -> Result<SanType, Error> {
    check_dns_name(name)?;
    Ok(SanType::DnsName(name.try_into()?))
}
