//! What the parts of bp-openclaw agree on: names only, no I/O and no Kubernetes types.
//!
//! A name that two programs must spell the same way stands here and nowhere else.

pub mod annotation;
pub mod cookie;
pub mod env;
pub mod header;
pub mod label;
pub mod newapi;
pub mod object;
pub mod path;
pub mod pod;
pub mod port;
pub mod secret;
mod user_id;

pub use user_id::{InvalidUserId, UserId};
