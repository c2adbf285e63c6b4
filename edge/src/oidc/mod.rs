//! Verification of OpenID Connect access and logout tokens, as strict as the standards allow (RFC
//! 6750, 7515, 7519, 8725): one reading of a request and of a token, or none.
//!
//! [`verify`] and [`verify_logout`] decide and are pure. [`Verifier`] adds what it needs: keys that are fetched, renewed
//! and kept through an outage of the issuer. Sidecar, spawner and `sidecar verify` use the same one.

mod algorithm;
mod args;
mod cache;
mod claims;
mod id_token;
mod jose;
mod json;
mod jwk;
mod keys;
mod logout;
mod metrics;
mod pace;
#[cfg(test)]
mod property_tests;
mod rejection;
mod role;
mod signed;
mod source;
mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod token;
mod unix_time;
mod verifier;
mod verify;

pub use args::{KeyArgs, OidcArgs, PolicyArgs, leeway};
pub use id_token::{IdTokenFault, Login};
pub use keys::{KeyFileError, KeySet, KeySetError};
pub use logout::{Logout, LogoutPolicy, LogoutRejection, verify_logout};
pub use rejection::Rejection;
pub use role::{ClaimPath, Role};
pub use token::Token;
pub use unix_time::UnixTime;
pub use verifier::{ConfigError, Verifier};
pub use verify::{Policy, Verified, verify};
