//! Users by number.

use std::net::Ipv4Addr;

/// The user with this number.
pub(super) fn user(number: usize) -> String {
    format!("{number:08x}-2222-4333-8444-555555555555")
}

/// Where the pod with this number is, one of 60,000 addresses on loopback that nothing else uses.
/// `network` keeps those of the real sidecars apart from those that are an upstream's.
pub(super) fn address(network: u8, number: usize) -> Ipv4Addr {
    let [.., high, low] = (number % 60_000).to_be_bytes();
    Ipv4Addr::new(127, network, high, low.max(1))
}
