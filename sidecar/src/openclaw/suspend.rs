//! OpenClaw's handshake before a sleep (`gateway.suspend.prepare` and `resume`): it knows of work that no
//! client sees, and while it agrees to sleep it begins nothing new.

use std::sync::atomic::{AtomicBool, Ordering};

use edge::{activity::Activity, proxy::Upstream, sleep::Agreement};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use super::call::{CallError, Gateway, word};

/// Names our suspension: asked again with the same, OpenClaw renews it.
const REQUEST: &str = "bp-openclaw-sleep";
/// So many kinds of work are told; there are fewer.
const MOST_BLOCKERS: usize = 8;

/// The runtime's suspension, and the way to it.
#[derive(Debug)]
pub struct Suspension {
    /// None where the runtime cannot be asked.
    gateway: Option<Gateway>,
    activity: Activity,
    /// The id by which it is ended. Held while OpenClaw is asked.
    held: Mutex<Option<String>>,
    /// Whether there may be something to end, so that a request need not wait for the lock.
    may_be_held: AtomicBool,
}

/// What `gateway.suspend.prepare` answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Prepared {
    status: String,
    suspension_id: Option<String>,
    #[serde(default)]
    blockers: Vec<Blocker>,
}

#[derive(Deserialize)]
struct Blocker {
    kind: String,
}

impl Suspension {
    /// Of the OpenClaw at `runtime` that takes this gateway token. Without a token there is nobody to
    /// ask: an operator without a device has no rights in mode `trusted-proxy`.
    #[must_use]
    pub fn of(runtime: Upstream, token: Option<&str>, activity: Activity) -> Self {
        let gateway = token.map(|token| Gateway { runtime, token: token.to_owned() });
        Self { gateway, activity, held: Mutex::default(), may_be_held: AtomicBool::new(false) }
    }

    /// Asks whether the runtime may be put to sleep. A client that comes meanwhile is served first.
    pub async fn prepare(&self) -> Agreement {
        let Some(gateway) = &self.gateway else { return Agreement::Silent };
        let mut held = self.held.lock().await;
        self.may_be_held.store(true, Ordering::SeqCst);
        let agreement = match gateway.prepare().await {
            Ok((agreement, suspension)) => {
                *held = suspension;
                agreement
            }
            Err(error) => {
                tracing::info!(%error, cause = cause(&error), "the runtime does not say whether it may sleep");
                Agreement::Silent
            }
        };
        if held.is_some() && self.activity.report().inflight > 0 {
            self.end(&mut held).await;
            return Agreement::Busy { blockers: vec!["client".to_owned()] };
        }
        self.may_be_held.store(held.is_some(), Ordering::SeqCst);
        agreement
    }

    /// Tells the runtime to go on, if it was ever told to stop. Costs nothing otherwise.
    pub async fn resume(&self) {
        if self.may_be_held.load(Ordering::SeqCst) {
            let mut held = self.held.lock().await;
            self.end(&mut held).await;
        }
    }

    async fn end(&self, held: &mut Option<String>) {
        if let (Some(gateway), Some(suspension)) = (&self.gateway, held.take())
            && let Err(error) = gateway.resume(&suspension).await
        {
            // It ends by itself within two minutes.
            tracing::warn!(%error, cause = cause(&error), "the runtime could not be told to go on");
        }
        self.may_be_held.store(false, Ordering::SeqCst);
    }
}

impl Gateway {
    /// The runtime's word, and the suspension that it has begun.
    async fn prepare(&self) -> Result<(Agreement, Option<String>), CallError> {
        let answer = self.call("gateway.suspend.prepare", json!({"requestId": REQUEST})).await?;
        let prepared: Prepared = serde_json::from_value(answer)
            .map_err(|_| CallError::Refused("in-unknown-words".to_owned()))?;
        match (prepared.status.as_str(), prepared.suspension_id) {
            ("ready", Some(suspension)) => Ok((Agreement::Ready, Some(suspension))),
            ("busy", _) => {
                let kinds = prepared.blockers.iter().take(MOST_BLOCKERS);
                Ok((Agreement::Busy { blockers: kinds.map(|it| word(&it.kind)).collect() }, None))
            }
            (other, _) => Err(CallError::Refused(word(other))),
        }
    }

    async fn resume(&self, suspension: &str) -> Result<(), CallError> {
        let params = json!({"suspensionId": suspension});
        self.call("gateway.suspend.resume", params).await.map(drop)
    }
}

fn cause(error: &CallError) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}
