//! Asks an auth sidecar what its client did last, on its admin port, where being asked is no
//! activity.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use contract::path;
use edge::{
    activity::ActivityReport,
    client::{CaError, Fetcher},
    sleep::Agreement,
};
use http::Method;

use super::decide::Asked;
use crate::pod::PodView;

/// A sidecar answers from memory.
const PATIENCE: Duration = Duration::from_secs(2);
/// The sidecar asks its runtime, and gives it 5 s.
const HANDSHAKE: Duration = Duration::from_secs(7);
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

    /// Whether the runtime of `pod` agrees to be put to sleep. One that does begins nothing new.
    pub async fn agreement(&self, pod: &PodView) -> Agreement {
        match self.tell(pod, Method::POST).await {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or(Agreement::Silent),
            Err(error) => {
                tracing::debug!(user = %pod.user, error, "the sidecar cannot ask its runtime");
                Agreement::Silent
            }
        }
    }

    /// Lets a runtime that has agreed go on.
    pub async fn go_on(&self, pod: &PodView) {
        if let Err(error) = self.tell(pod, Method::DELETE).await {
            // It goes on by itself within two minutes.
            tracing::warn!(user = %pod.user, error, "a runtime cannot be told to go on");
        }
    }

    async fn tell(&self, pod: &PodView, method: Method) -> Result<Bytes, String> {
        let ip = pod.ip.ok_or("the pod has no address")?;
        let url = format!("http://{}{}", SocketAddr::new(ip, self.port), path::SLEEP);
        let answer = self.fetcher.command(method, &url, MAX_REPORT, HANDSHAKE).await;
        answer.map_err(|error| error.to_string())
    }

    async fn report(&self, ip: IpAddr) -> Result<ActivityReport, String> {
        let url = format!("http://{}{}", SocketAddr::new(ip, self.port), path::ACTIVITY);
        let answer = self.fetcher.get_json_bytes(&url, MAX_REPORT, PATIENCE).await;
        let bytes = answer.map_err(|error| error.to_string())?;
        serde_json::from_slice(&bytes).map_err(|error| error.to_string())
    }
}
