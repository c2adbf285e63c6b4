//! Many pods that are ready, and what answers at their addresses: one tiny upstream at a few hundred
//! addresses of loopback, which stands for every sidecar.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::Result;
use contract::port;

use super::{
    Bench,
    user::{address, user},
};
use crate::upstream;

/// The network of the upstream's addresses.
const NETWORK: u8 = 77;
/// How many addresses pods share. Each is good for some 28,000 connections.
const ADDRESSES: usize = 200;
/// The first number of the users, so that they are nobody else's.
const FIRST: usize = 2_000_000;

/// Users whose pods are ready.
pub(super) struct Crowd {
    users: Vec<String>,
}

impl Crowd {
    /// Makes the pods.
    pub(super) async fn create(bench: &Bench) -> Result<Self> {
        for number in 0..ADDRESSES {
            upstream::start_at(SocketAddr::from((at(number), port::SIDECAR_DATA))).await?;
        }
        let users: Vec<_> = (FIRST..FIRST + bench.args.pods).map(user).collect();
        eprintln!("… creating {} pods", users.len());
        let pods = users
            .iter()
            .enumerate()
            .map(|(number, user)| Ok((user.clone(), bench.setup.pod_of(user)?, at(number))));
        let pods: Result<Vec<_>> = pods.collect();
        bench.cluster.create_ready(pods?).await?;
        Ok(Self { users })
    }

    pub(super) fn len(&self) -> usize {
        self.users.len()
    }

    pub(super) fn users(&self) -> impl Iterator<Item = &String> + Clone {
        self.users.iter()
    }
}

/// The address of the pod with this number.
pub(super) fn at(number: usize) -> Ipv4Addr {
    address(NETWORK, number % ADDRESSES + 1)
}
