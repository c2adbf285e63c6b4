//! The front door. A user's request leads to the user's own pod: made on demand from the operator's
//! templates, watched until it is ready, reached through its auth sidecar.
//!
//! No state is kept but what the watch brings: any replica serves any request, and the pod's name is
//! the only lock. Pure parts: [`template`], [`render`], [`pod`], [`note`], [`state`], [`model`], and most of [`login`].

pub mod answer;
mod api;
pub mod app;
mod caller;
pub mod check;
pub mod cli;
pub mod cluster;
pub mod gateway;
pub mod login;
pub mod metrics;
pub mod model;
pub mod note;
mod pages;
pub mod pod;
mod progress;
mod proxy;
pub mod reap;
pub mod render;
mod serve;
pub mod servers;
pub mod setup;
pub mod state;
pub mod stop;
pub mod streams;
pub mod template;
pub mod watch;
