//! As much of a Kubernetes API server as the spawner uses: pods with list, watch, create, get and
//! delete, Secrets and NetworkPolicies to write, events to watch. A test scripts the rest.

mod cut;
mod routes;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::body::Body;
use http::Request;
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tower::ServiceExt as _;

pub(crate) use self::routes::refuse;
use crate::{leases::Leases, login_objects::LoginObjects};

/// The namespace of all tests.
pub(crate) const NAMESPACE: &str = "tenant";

/// The API server. Clones are the same one.
#[derive(Clone)]
pub(crate) struct ApiServer {
    inner: Arc<Inner>,
    /// What the login has there.
    pub(crate) login: LoginObjects,
    pub(crate) leases: Leases,
}

struct Inner {
    state: Mutex<Objects>,
    /// Wakes the watches: something happened, or how often they were cut.
    watches: watch::Sender<u64>,
    /// The calls so far, to look at and to wait for.
    calls: watch::Sender<Vec<String>>,
}

#[derive(Default)]
struct Objects {
    version: u64,
    pods: BTreeMap<String, Value>,
    secrets: BTreeMap<String, Value>,
    policies: BTreeMap<String, Value>,
    homes: BTreeMap<String, Value>,
    /// What happened to pods, by version, as lines of a watch response.
    log: Vec<(u64, String)>,
    /// What happened up to this version can no longer be watched.
    compacted: u64,
    /// How the next create of a pod ends, instead of being done.
    next_create: Option<Next>,
    /// How the next create of a home ends, instead of being done.
    next_home: Option<Next>,
    /// Lists are refused with this code, 403 as before RBAC is there.
    lists_refused: Option<u16>,
    /// How often all watches of then fell silent.
    silences: u64,
    /// The write at which the next spawner is cut off.
    cut_at: Option<Cut>,
    /// The uids of all pods that ever were.
    created: Vec<String>,
}

/// Where a spawner is cut off: it never hears of this write again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// As in [`ApiServer::calls`].
    pub(crate) call: &'static str,
    /// Whether the write is done all the same.
    pub(crate) done: bool,
}

/// What happens to the next create.
pub(crate) enum Next {
    /// It is refused with this code and message.
    Refused(u16, &'static str),
    /// Another replica creates the object first.
    Lost,
    /// No webhook is asked about it.
    Untouched,
    /// Another replica creates the object first, which uses up a quota.
    LostAndRefused(u16, &'static str),
    /// The API server is too busy, and says in its header for how many seconds.
    Busy(u32),
}

impl ApiServer {
    /// An empty namespace.
    pub(crate) fn new() -> Self {
        let inner = Inner {
            state: Mutex::default(),
            watches: watch::Sender::default(),
            calls: watch::Sender::default(),
        };
        Self { inner: Arc::new(inner), login: LoginObjects::default(), leases: Leases::default() }
    }

    /// Scripts the next create of a pod.
    pub(crate) fn next_create(&self, next: Next) {
        self.lock().next_create = Some(next);
    }

    /// Scripts the next create of a home.
    pub(crate) fn next_home(&self, next: Next) {
        self.lock().next_home = Some(next);
    }

    /// Puts a claim there.
    pub(crate) fn put_home(&self, mut claim: Value) {
        let mut objects = self.lock();
        objects.version += 1;
        claim["metadata"]["uid"] = format!("uid-{}", objects.version).into();
        let name = claim["metadata"]["name"].as_str().unwrap().to_owned();
        objects.homes.insert(name, claim);
    }

    pub(crate) fn home(&self, name: &str) -> Option<Value> {
        self.lock().homes.get(name).cloned()
    }

    /// The claim is gone, now that no pod uses it.
    pub(crate) fn remove_home(&self, name: &str) {
        self.lock().homes.remove(name).unwrap();
    }

    /// Refuses lists with this code, or allows them.
    pub(crate) fn refuse_lists(&self, refused: Option<u16>) {
        self.lock().lists_refused = refused;
    }

    /// Cuts the next spawner off at this write.
    pub(crate) fn cut_at(&self, cut: Cut) {
        self.lock().cut_at = Some(cut);
    }

    /// The uids of all pods that ever were, in their order.
    pub(crate) fn created(&self) -> Vec<String> {
        self.lock().created.clone()
    }

    /// Puts a pod there and tells the watches.
    pub(crate) fn put(&self, pod: Value) {
        put(self, &mut self.lock(), pod);
    }

    /// Puts a pod there of which no watch has told yet.
    pub(crate) fn put_unseen(&self, mut pod: Value) {
        let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
        pod["metadata"]["uid"] = "unseen".into();
        self.lock().pods.insert(name, pod);
    }

    /// The pod is this now, and no watch has told yet.
    pub(crate) fn replace_unseen(&self, pod: Value) {
        let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
        self.lock().pods.insert(name, pod);
    }

    /// Merges `status` into the pod's, as the kubelet would.
    pub(crate) fn set_status(&self, name: &str, status: Value) {
        let mut objects = self.lock();
        let mut pod = objects.pods[name].clone();
        pod["status"] = status;
        put(self, &mut objects, pod);
    }

    /// The pod is gone.
    pub(crate) fn remove(&self, name: &str) {
        let mut objects = self.lock();
        let mut pod = objects.pods.remove(name).unwrap();
        objects.version += 1;
        pod["metadata"]["resourceVersion"] = objects.version.to_string().into();
        self.tell(&mut objects, "DELETED", &pod);
    }

    /// The pod is gone, and no watch is told.
    pub(crate) fn vanish(&self, name: &str) {
        self.lock().pods.remove(name).unwrap();
    }

    /// No watch of now says anything any more, and none ends.
    pub(crate) fn fall_silent(&self) {
        self.lock().silences += 1;
    }

    /// A client that needs no socket, so that time can be paused.
    pub(crate) fn client(&self) -> Client {
        let router = self.router();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            router.clone().oneshot(request.map(Body::new))
        });
        edge::program::install_crypto_provider();
        Client::new(service, NAMESPACE)
    }

    /// Cuts every watch; a new one gets what happened since the version it names.
    pub(crate) fn cut_watches(&self) {
        self.inner.watches.send_modify(|cuts| *cuts += 1);
    }

    /// Forgets what happened so far: a watch from before gets 410 and has to list again.
    pub(crate) fn compact(&self) {
        let mut objects = self.lock();
        objects.version += 1;
        objects.compacted = objects.version;
    }

    pub(crate) fn pod(&self, name: &str) -> Option<Value> {
        self.lock().pods.get(name).cloned()
    }

    /// Puts a NetworkPolicy there.
    pub(crate) fn put_policy(&self, name: &str, mut policy: Value) {
        let mut objects = self.lock();
        objects.version += 1;
        policy["metadata"]["uid"] = name.into();
        policy["metadata"]["resourceVersion"] = objects.version.to_string().into();
        objects.policies.insert(name.to_owned(), policy);
    }

    pub(crate) fn policy(&self, name: &str) -> Option<Value> {
        self.lock().policies.get(name).cloned()
    }

    pub(crate) fn secret(&self, name: &str) -> Option<Value> {
        self.lock().secrets.get(name).cloned()
    }

    /// All calls but those of the watches and the sweep, as `verb resource`.
    pub(crate) fn calls(&self) -> Vec<String> {
        let calls = self.inner.calls.borrow();
        calls.iter().filter(|call| !call.starts_with("list ")).cloned().collect()
    }

    /// How many of the calls are `call`.
    pub(crate) fn count(&self, call: &str) -> usize {
        self.inner.calls.borrow().iter().filter(|seen| *seen == call).count()
    }

    /// Waits for `call`.
    pub(crate) async fn saw(&self, call: &str) {
        let mut calls = self.inner.calls.subscribe();
        calls.wait_for(|calls| calls.iter().any(|seen| seen == call)).await.unwrap();
    }

    async fn feed(self, mut version: u64, lines: mpsc::Sender<String>) {
        let mut watches = self.inner.watches.subscribe();
        let cuts = *watches.borrow_and_update();
        let silences = self.lock().silences;
        loop {
            if self.lock().silences != silences {
                return lines.closed().await;
            }
            for (at, line) in self.since(version) {
                version = at;
                if lines.send(line).await.is_err() {
                    return;
                }
            }
            if watches.changed().await.is_err() || *watches.borrow_and_update() != cuts {
                return;
            }
        }
    }

    fn since(&self, version: u64) -> Vec<(u64, String)> {
        let objects = self.lock();
        if version < objects.compacted {
            let gone = json!({
                "kind": "Status", "status": "Failure", "code": 410, "reason": "Expired",
                "message": "too old resource version",
            });
            return vec![(objects.version, event("ERROR", &gone))];
        }
        objects.log.iter().filter(|(at, _)| *at > version).cloned().collect()
    }

    fn note(&self, call: String) {
        self.inner.calls.send_modify(|calls| calls.push(call));
    }

    fn tell(&self, objects: &mut Objects, kind: &str, object: &Value) {
        objects.log.push((objects.version, event(kind, object)));
        self.inner.watches.send_modify(|_| {});
    }

    fn lock(&self) -> MutexGuard<'_, Objects> {
        self.inner.state.lock().unwrap()
    }
}

fn put(api: &ApiServer, objects: &mut Objects, mut pod: Value) -> Value {
    objects.version += 1;
    let version = objects.version;
    let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
    let metadata = pod["metadata"].as_object_mut().unwrap();
    metadata.insert("resourceVersion".to_owned(), version.to_string().into());
    metadata.entry("uid").or_insert_with(|| format!("uid-{version}").into());
    metadata.entry("creationTimestamp").or_insert_with(|| "2026-11-23T12:00:00Z".into());
    let known = objects.pods.insert(name, pod.clone()).is_some();
    if !known {
        objects.created.push(pod["metadata"]["uid"].as_str().unwrap().to_owned());
    }
    api.tell(objects, if known { "MODIFIED" } else { "ADDED" }, &pod);
    pod
}

fn event(kind: &str, object: &Value) -> String {
    format!("{}\n", json!({"type": kind, "object": object}))
}
