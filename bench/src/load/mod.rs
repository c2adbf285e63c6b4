//! Load from this process: requests written in advance, on connections that are kept.

mod closed;
mod connection;
mod paced;
mod saturate;

use std::{cell::Cell, net::SocketAddr, rc::Rc};

use bytes::Bytes;

pub(crate) use self::{
    closed::Closed,
    connection::{Answer, Connection},
    paced::{Latency, paced},
    saturate::{CONNECTIONS, STRETCH, WARM_UP, saturate},
};

/// What all requests call the server.
pub(crate) const HOST: &str = "openclaw.example";

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
        Self::of(tokens.iter().map(|token| get("/v1/models", Some(token))))
    }

    /// These requests.
    pub(crate) fn of(all: impl Iterator<Item = Bytes>) -> Self {
        Self { all: all.collect(), next: Rc::default() }
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
    get_with(path, &authorization.unwrap_or_default())
}

/// The same with further fields, each ended by CRLF.
pub(crate) fn get_with(path: &str, fields: &str) -> Bytes {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: bench/1\r\n\
         Accept: application/json\r\nAccept-Encoding: gzip\r\n{fields}\r\n"
    )
    .into()
}
