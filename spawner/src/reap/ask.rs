//! Asks an auth sidecar what its client did last, on its admin port, where being asked is no
//! activity.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use contract::path;
use edge::{
    activity::ActivityReport,
    client::{CaError, Fetcher},
};

use super::decide::Asked;
use crate::pod::PodView;

/// A sidecar answers from memory.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest report, in bytes; today's have about 200.
const MAX_REPORT: usize = 4096;

/// Reaches the sidecars.
#[derive(Clone, Debug)]
pub struct Sidecars {
    fetcher: Fetcher,
    port: u16,
}

impl Sidecars {
    /// Their admin port is `port`.
    pub fn at(port: u16) -> Result<Self, CaError> {
        Ok(Self { fetcher: Fetcher::new(None)?, port })
    }

    /// What the sidecar of `pod` says.
    pub async fn ask(&self, pod: &PodView) -> Asked {
        let Some(ip) = pod.ip else { return Asked::Silent };
        match self.report(ip).await {
            Ok(report) => Asked::Told(report),
            Err(error) => {
                tracing::debug!(user = %pod.user, error, "the sidecar does not tell its activity");
                Asked::Silent
            }
        }
    }

    async fn report(&self, ip: IpAddr) -> Result<ActivityReport, String> {
        let url = format!("http://{}{}", SocketAddr::new(ip, self.port), path::ACTIVITY);
        let answer = self.fetcher.get_json_bytes(&url, MAX_REPORT, PATIENCE).await;
        let bytes = answer.map_err(|error| error.to_string())?;
        serde_json::from_slice(&bytes).map_err(|error| error.to_string())
    }
}
