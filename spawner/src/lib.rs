//! The front door. A user's request leads to the user's own pod: made on demand from the operator's
//! templates, watched until it is ready, reached through its auth sidecar.
//!
//! No state is kept but what the watch brings: any replica serves any request, and the pod's name is
//! the only lock. Pure parts: [`template`], [`render`], [`pod`], [`note`], [`state`], [`model`], and most of [`login`].
//!
//! # Audit log
//! Lines of the log with the target `audit`, in JSON unless on a terminal. Each has `action` and
//! `outcome`; `user` is whose workspace it is, `by` is who acts. None has a token, a cookie or a query.
//!
//! | `action` | when | `outcome` | also |
//! |---|---|---|---|
//! | `login` | a sign-in ends | `signed_in`, or why not | `user`; `error` |
//! | `logout` | somebody signs out | `signed_out` | `user` |
//! | `backchannel_logout` | the issuer ends a session | `ended`, or why its token is refused | |
//! | `token` | a bearer token is refused | why | `method`, `path` |
//! | `cookie` | a session's cookie does not speak for a request | why: `origin_refused`, `csrf_token`, `no_session`, ... | `method`, `path` |
//! | `operate` | somebody acts, or may not, on another's workspace | `allowed`, `operator_only`, `control_host_only` | `by`, `user`, `method` |
//! | `start` | before and after a workspace is asked for | `requested`, then `created`, `adopted`, `stopping`, or why not | `user` |
//! | `started` | a created pod is ready, has failed or was called off | `ready`, `called_off`, `too_slow`, or what is in the way | `user`, `seconds` |
//! | `stop` | a workspace is stopped | `stopping`, `gone`, or why not | `user`, `by`, `why` |
//! | `sleep` | the spawner puts one to sleep | `idle`, `maxage` | `user` |
//! | `busy` | one is kept awake | `kept`, `changed` | `user`, `by`, `until` |

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
mod operator;
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
mod worker;
