//! The watches: of the users' pods, without which the spawner knows nothing, of the events about
//! them, which only make its words better, and of the sessions that ended early.

use std::collections::HashSet;

use contract::{UserId, label, object};
use edge::readiness::Gate;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Event as KubeEvent};
use kube::{
    Api, Client,
    runtime::{WatchStreamExt as _, watcher},
};

use super::{Pods, lean::LeanPod};
use crate::{cluster::words, login::SignedOut, metrics::Metrics, note::Note, pod::PodView};

/// How long one watch call lasts, in seconds. A connection that died without a word is noticed 5 s
/// later; a renewal costs one request and no list.
const WATCH_SECONDS: u32 = 60;

/// What the watches need.
pub struct Follow {
    /// A client of their own, so that no burst of calls waits behind a watch or the other way round.
    pub client: Client,
    /// The tenant namespace.
    pub namespace: String,
    /// What is kept up to date.
    pub pods: Pods,
    /// Opens with the first complete list.
    pub gate: Gate,
    /// Where interruptions are counted.
    pub metrics: Metrics,
    /// The sessions that ended early, where people sign in.
    pub signed_out: Option<FollowSignedOut>,
}

/// What following the sessions that ended early needs.
#[derive(Debug)]
pub struct FollowSignedOut {
    /// What is kept up to date.
    pub signed_out: SignedOut,
    /// Opens with the first list.
    pub gate: Gate,
}

/// Keeps the pods up to date for as long as the future is polled.
///
/// Once ready, trouble with the API server does not make the spawner unready: running workspaces
/// can be reached all the same, and taking every replica away would help nobody.
pub async fn follow(follow: Follow) {
    tokio::join!(follow_pods(&follow), follow_events(&follow), follow_signed_out(&follow));
}

async fn follow_pods(follow: &Follow) {
    let api: Api<LeanPod> = Api::namespaced(follow.client.clone(), &follow.namespace);
    let config = watcher::Config::default().labels(label::USER).timeout(WATCH_SECONDS);
    let mut events = std::pin::pin!(watcher(api, config).default_backoff());
    let mut listed = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                follow.pods.heard();
                pod_event(follow, &mut listed, event);
            }
            Err(error) => pod_trouble(follow, &error),
        }
    }
}

fn pod_event(follow: &Follow, listed: &mut HashSet<UserId>, event: watcher::Event<LeanPod>) {
    match event {
        watcher::Event::Init => listed.clear(),
        watcher::Event::InitApply(LeanPod(pod)) => {
            if let Some(pod) = PodView::of(pod) {
                listed.insert(pod.user.clone());
                follow.pods.apply(pod);
            }
        }
        watcher::Event::InitDone => {
            follow.metrics.relist("pods");
            follow.pods.listed(listed);
            tracing::info!(pods = listed.len(), "listed the users' pods");
            *listed = HashSet::new();
            follow.gate.ready();
        }
        watcher::Event::Apply(LeanPod(pod)) => {
            if let Some(pod) = PodView::of(pod) {
                follow.pods.apply(pod);
            }
        }
        watcher::Event::Delete(LeanPod(pod)) => {
            if let Some(pod) = PodView::of(pod) {
                follow.pods.remove(&pod);
            }
        }
    }
}

fn pod_trouble(follow: &Follow, error: &watcher::Error) {
    follow.metrics.watch_error("pods");
    let error = words(error);
    tracing::warn!(error, "the watch of the users' pods was interrupted");
    if !follow.pods.is_complete() {
        follow.gate.not_ready(format!("pods in {} cannot be listed: {error}", follow.namespace));
    }
}

async fn follow_events(follow: &Follow) {
    // What is said about a pod is kept with the pod, so the pods come first.
    follow.pods.completed().await;
    let api: Api<KubeEvent> = Api::namespaced(follow.client.clone(), &follow.namespace);
    let config =
        watcher::Config::default().fields("involvedObject.kind=Pod").timeout(WATCH_SECONDS);
    let mut events = std::pin::pin!(watcher(api, config).default_backoff());
    let mut told = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Apply(event) | watcher::Event::InitApply(event)) => {
                if let Some((user, note)) = Note::of(event) {
                    follow.pods.note(&user, note);
                }
            }
            Ok(watcher::Event::InitDone) => {
                follow.metrics.relist("events");
                told = false;
            }
            Ok(_) => {}
            Err(error) => {
                follow.metrics.watch_error("events");
                if !std::mem::replace(&mut told, true) {
                    let error = words(&error);
                    tracing::warn!(error, "events cannot be watched; progress has less detail");
                }
            }
        }
    }
}

/// Entries are only ever added: one that is removed from the object is over by its own time.
async fn follow_signed_out(follow: &Follow) {
    let Some(FollowSignedOut { signed_out, gate }) = &follow.signed_out else { return };
    let api: Api<ConfigMap> = Api::namespaced(follow.client.clone(), &follow.namespace);
    let name = object::SIGNED_OUT;
    let config =
        watcher::Config::default().fields(&format!("metadata.name={name}")).timeout(WATCH_SECONDS);
    let mut events = std::pin::pin!(watcher(api, config).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Apply(map) | watcher::Event::InitApply(map)) => {
                signed_out.apply(&map.data.unwrap_or_default());
            }
            Ok(watcher::Event::InitDone) => {
                follow.metrics.relist("configmaps");
                gate.ready();
            }
            Ok(watcher::Event::Init | watcher::Event::Delete(_)) => {}
            Err(error) => {
                follow.metrics.watch_error("configmaps");
                let error = words(&error);
                tracing::warn!(error, "the watch of ended sessions was interrupted");
            }
        }
    }
}

impl std::fmt::Debug for Follow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follow").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}
