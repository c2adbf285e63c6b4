//! What has to be read back from a certificate that lies in a file.

use crate::{Error, Validity};
use std::time::{Duration, SystemTime};
use x509_parser::{certificate::X509Certificate, pem::parse_x509_pem, time::ASN1Time};

/// The parts of a certificate that decide whether it may be used or replaced.
pub(crate) struct Summary {
    /// Common name of the subject.
    pub(crate) subject: Option<String>,
    /// Common name of the issuer.
    pub(crate) issuer: Option<String>,
    pub(crate) validity: Validity,
    pub(crate) is_authority: bool,
    /// DER of the SubjectPublicKeyInfo: equal exactly where the key is the same.
    pub(crate) public_key: Vec<u8>,
}

impl Summary {
    /// Reads the first certificate of a PEM file.
    pub(crate) fn of(pem: &str) -> Result<Self, Error> {
        let (_, block) = parse_x509_pem(pem.as_bytes()).map_err(|_| Error::NotACertificate)?;
        let certificate = block.parse_x509().map_err(|_| Error::NotACertificate)?;
        let dates = certificate.validity();
        Ok(Self {
            subject: common_name(certificate.subject()),
            issuer: common_name(certificate.issuer()),
            validity: Validity::between(moment(dates.not_before), moment(dates.not_after)),
            is_authority: is_authority(&certificate),
            public_key: certificate.public_key().raw.to_vec(),
        })
    }
}

fn common_name(name: &x509_parser::x509::X509Name<'_>) -> Option<String> {
    name.iter_common_name().next().and_then(|part| part.as_str().ok()).map(str::to_owned)
}

fn is_authority(certificate: &X509Certificate<'_>) -> bool {
    certificate.basic_constraints().ok().flatten().is_some_and(|constraints| constraints.value.ca)
}

fn moment(time: ASN1Time) -> SystemTime {
    // A date before 1970 is as long past as 1970 itself.
    SystemTime::UNIX_EPOCH + Duration::from_secs(time.timestamp().try_into().unwrap_or(0))
}
