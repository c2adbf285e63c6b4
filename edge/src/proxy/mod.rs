//! A streaming reverse proxy for one request: refuse what two parsers could read differently
//! ([`request`]), remove what a client must not say ([`headers`]), forward ([`forward()`]), and end
//! streams with their [`Session`]. What is allowed is the caller's business.

mod body;
mod cookies;
mod cors;
mod fault;
mod forward;
mod frames;
pub mod headers;
mod opening;
mod pool;
pub mod request;
mod send;
mod session;
mod tunnel;
mod upgrade;
mod upstream;
mod websocket;
mod websocket_key;

pub use self::{
    cors::CorsArgs,
    fault::Fault,
    forward::forward,
    opening::FirstMessage,
    session::{Session, SessionHandle},
    upstream::{InvalidUpstream, Upstream},
    websocket::{WebSocket, WebSocketError},
};
