//! Certificates for development: an authority of one's own, and leaves signed by it.
//!
//! The program writes a serving certificate for the webhook; `cluster-dev` makes a Kubernetes PKI
//! and the tests make TLS servers from the same three types. Nothing here is for production: the
//! authority's key lies in a file.
//!
//! ```
//! use certs_dev::{Authority, Validity};
//!
//! # fn main() -> Result<(), certs_dev::Error> {
//! let authority = Authority::new("my development CA", Validity::days(365))?;
//! let server = authority.server(&["localhost"], &["127.0.0.1".parse().unwrap()], Validity::days(30))?;
//! let admin = authority.client("admin", Some("system:masters"), Validity::days(30))?;
//! assert!(server.certificate_pem().starts_with("-----BEGIN CERTIFICATE-----"));
//! # Ok(()) }
//! ```

mod authority;
mod certificate;
pub mod folder;
mod validity;

pub use authority::{Authority, Error, Leaf, check_dns_name};
pub use validity::Validity;
