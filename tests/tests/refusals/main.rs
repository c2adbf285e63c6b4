//! Who is turned away, on a real cluster and with real tokens: each refusal of the demo's story and
//! its neighbours.

mod admission;
#[cfg(feature = "pods")]
mod running;
