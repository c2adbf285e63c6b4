//! Load from this process: requests written in advance, on connections that are kept.

mod closed;
mod connection;
mod paced;
mod saturate;

use std::{cell::Cell, net::SocketAddr, rc::Rc};

use bytes::Bytes;
use edge::oidc::testing::AUDIENCE;

pub(crate) use self::{
    closed::Closed,
    connection::{Answer, Connection},
    paced::{Latency, paced},
    saturate::{CONNECTIONS, STRETCH, WARM_UP, saturate},
};

/// Requests, sent in turn by all connections together.
#[derive(Clone)]
pub(crate) struct Requests {
    all: Rc<[Bytes]>,
    next: Rc<Cell<usize>>,
}

/// Where requests go.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Requests,
}

impl Requests {
    /// One request for each token.
    pub(crate) fn with_tokens(tokens: &[String]) -> Self {
        let all = tokens.iter().map(|token| get("/v1/models", Some(token))).collect();
        Self { all, next: Rc::default() }
    }

    fn next(&self) -> Bytes {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        self.all.get(number % self.all.len().max(1)).cloned().unwrap_or_default()
    }
}

/// A request as a program of the user's sends it.
pub(crate) fn get(path: &str, token: Option<&str>) -> Bytes {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let authorization = authorization.unwrap_or_default();
    format!(
        "GET {path} HTTP/1.1\r\nHost: {AUDIENCE}.example\r\nUser-Agent: bench/1\r\n\
         Accept: application/json\r\nAccept-Encoding: gzip\r\n{authorization}\r\n"
    )
    .into()
}
