//! OpenClaw's own protocol, as far as the sidecar has to speak it: its WebSocket takes no header for a
//! credential, only what the client's first message says (protocol 4, read in 2026.9.6).

mod call;
mod connect;
mod device;
mod suspend;

pub use self::{connect::ConnectFrame, suspend::Suspension};
