//! Starting and stopping a user's server. Every step may be repeated and may be cut off anywhere:
//! the names follow from the user, `create` is the lock, and whoever comes second adopts.

mod home;
mod limits;
mod outcome;
mod stop;

use std::{sync::Arc, time::Duration};

use contract::{UserId, annotation, object};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

pub use home::Purged;
pub use limits::{Full, Load, Places, ServerLimitArgs, TooMuch};
pub use stop::Stopped;

use crate::{
    cluster::{Cluster, Created, Fault},
    gateway::{NoRandom, with_token},
    metrics::Metrics,
    pod::PodView,
    render::{Blueprint, ImageNotAllowed, Objects},
    stop::LastStop,
    template,
    watch::{Follower, Pods, Snapshot},
};

/// How long an answer may wait for the watch to show what was just done, so that whoever did it sees
/// it. The watch is milliseconds behind.
const WATCH_LAG: Duration = Duration::from_secs(2);
/// How long a start waits for a finished pod to make room for a new one.
const REPLACE_BUDGET: Duration = Duration::from_secs(10);
/// How often a start begins anew when pods come and go under it.
const ATTEMPTS: usize = 3;

/// Starts and stops servers.
#[derive(Clone, Debug)]
pub struct Servers {
    cluster: Cluster,
    blueprint: Arc<Blueprint>,
    pods: Pods,
    admission: limits::Admission,
    metrics: Metrics,
}

/// How a start went.
#[derive(Debug)]
pub struct Started {
    /// The pod, or the pod's last moments if it is being stopped.
    pub snapshot: Snapshot,
    /// What was done for it.
    pub how: How,
}

/// What a start did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It created the pod.
    Created,
    /// The pod was there.
    Adopted,
    /// The pod before is still being stopped; nothing was created.
    Stopping,
}

/// A start or a stop that failed.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// There are as many workspaces as there may be.
    #[error(transparent)]
    Full(#[from] Full),
    /// The image is not on the list.
    #[error(transparent)]
    Image(#[from] ImageNotAllowed),
    /// The pod is there, made otherwise than was asked for.
    #[error("the pod {0} runs already, with another image or from an older template")]
    OtherImage(String),
    /// The API server did not do it.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The template does not render. It did at start, so this is a bug.
    #[error(transparent)]
    Template(#[from] template::Fault),
    /// No token could be made.
    #[error(transparent)]
    NoRandom(#[from] NoRandom),
    /// A pod with the user's name is not the user's.
    #[error("the pod {0} does not carry its user's label")]
    NotTheUsers(String),
    /// Objects came and went faster than one could be adopted.
    #[error("{0} came and went while it was looked at")]
    Restless(String),
    /// The home is about to be gone.
    #[error("the home {0} is being deleted")]
    HomeDeleting(String),
    /// A claim with the name of the user's home is not the user's.
    #[error("the claim {0} does not carry its user's label")]
    NotTheUsersHome(String),
    /// No homes are made here.
    #[error("homes do not last here")]
    NoHomes,
}

impl How {
    fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Adopted => "adopted",
            Self::Stopping => "stopping",
        }
    }
}

impl Servers {
    /// Starts servers in `cluster` as `blueprint` describes them, and learns from `pods` what became
    /// of them.
    #[must_use]
    pub fn new(
        cluster: Cluster,
        blueprint: Blueprint,
        pods: Pods,
        limits: ServerLimitArgs,
        metrics: Metrics,
    ) -> Self {
        let admission = limits::Admission::new(limits, pods.clone());
        Self { cluster, blueprint: Arc::new(blueprint), pods, admission, metrics }
    }

    /// What is created for a user.
    #[must_use]
    pub fn blueprint(&self) -> &Blueprint {
        &self.blueprint
    }

    /// The place of `user` in this replica's queue, from 1.
    #[must_use]
    pub fn place(&self, user: &UserId) -> Option<usize> {
        self.admission.place(user)
    }

    /// Hears of every change of this replica's queue.
    #[must_use]
    pub fn places(&self) -> Places {
        self.admission.places()
    }

    /// Who waits in this replica's queue, the next first.
    #[must_use]
    pub fn waiting(&self) -> Vec<UserId> {
        self.admission.waiting()
    }

    /// Makes sure that `user` has a pod, with the chosen `image` if there is one. At most three
    /// writes, a fourth for the first home; none if the pod is there.
    pub async fn start(&self, user: &UserId, image: Option<&str>) -> Result<Started, ServerError> {
        tracing::info!(target: "audit", action = "start", %user, outcome = "requested");
        let started = self.try_start(user, image).await;
        match &started {
            Ok(started) => {
                self.metrics.start(started.how.name());
                tracing::info!(target: "audit", action = "start", %user, outcome = started.how.name());
            }
            Err(error) => {
                self.metrics.start(error.reason());
                tracing::warn!(target: "audit", action = "start", %user, outcome = error.reason(), %error);
            }
        }
        started
    }

    async fn try_start(&self, user: &UserId, image: Option<&str>) -> Result<Started, ServerError> {
        if let Some(image) = image {
            self.blueprint.check_image(image)?;
        }
        let mut follower = self.pods.follow(user);
        let turn = follower.turn();
        let _turn = turn.lock().await;
        let mut objects = self.blueprint.render_with(user, image)?;
        let mut admitted = None;
        for _ in 0..ATTEMPTS {
            let seen = follower.now();
            if let Some(pod) = &seen.pod {
                if !pod.is_over() || pod.stopping {
                    return self.adopt(seen, image);
                }
                if !self.clear(pod, &mut follower).await? {
                    return Ok(Started { snapshot: follower.now(), how: How::Stopping });
                }
            }
            if admitted.is_none() {
                admitted = Some(self.admission.admit(user)?);
                let noted = self.prepare(user, &objects).await?;
                if let Some(last) = seen.last_stop.as_deref().or(noted.as_ref()) {
                    annotate(&mut objects.pod, annotation::LAST_STOP, last.text());
                }
            }
            if let Some(started) = self.create(user, &objects.pod, &mut follower).await? {
                return Ok(started);
            }
        }
        Err(ServerError::Restless(object::pod(user)))
    }

    /// Takes the pod that is there, unless a chosen image is not what it runs.
    fn adopt(&self, seen: Snapshot, image: Option<&str>) -> Result<Started, ServerError> {
        let started = Started::with(seen);
        let pod = started.snapshot.pod.as_deref();
        let template = pod.and_then(|pod| pod.template.as_deref());
        match pod {
            Some(pod)
                if image.is_some()
                    && !pod.stopping
                    && template != Some(self.blueprint.hash_with(image)) =>
            {
                Err(ServerError::OtherImage(object::pod(&pod.user)))
            }
            _ => Ok(started),
        }
    }

    /// What has to be there before the pod: its home, its gateway token and its NetworkPolicy. What is
    /// noted of the pod before.
    async fn prepare(
        &self,
        user: &UserId,
        objects: &Objects,
    ) -> Result<Option<LastStop>, ServerError> {
        let home = async {
            match &objects.home {
                Some(claim) => self.ensure_home(user, claim).await,
                None => Ok(()),
            }
        };
        let secret = async {
            if let Some(secret) = &objects.gateway {
                let secret = with_token(secret.clone())?;
                // Exists: the token of the first start is kept.
                self.cluster.create_secret(&secret).await?;
            }
            Ok(())
        };
        let policy = async {
            if let Some(policy) = &objects.network_policy {
                let name = object::network_policy(user);
                let mut policy = policy.clone();
                // A sweep that has seen it without a pod then fails.
                annotate(&mut policy, annotation::STARTED, Timestamp::now().to_string());
                let metadata = self.cluster.apply_network_policy(&name, &policy).await?;
                return Ok(metadata.annotations.and_then(|noted| LastStop::noted(&noted)));
            }
            Ok(None)
        };
        tokio::try_join!(home, secret, policy).map(|((), (), noted)| noted)
    }

    /// Creates the pod or adopts the one that is there. `None`: look again.
    async fn create(
        &self,
        user: &UserId,
        pod: &Value,
        follower: &mut Follower,
    ) -> Result<Option<Started>, ServerError> {
        let name = object::pod(user);
        let (pod, how) = match self.cluster.create_pod(pod).await? {
            Created::New(pod) => (pod, How::Created),
            Created::Exists => match self.cluster.pod(&name).await? {
                Some(pod) => (pod, How::Adopted),
                None => return Ok(None),
            },
        };
        let pod = PodView::of(pod)
            .filter(|pod| pod.user == *user)
            .ok_or(ServerError::NotTheUsers(name))?;
        let snapshot = follower.until(WATCH_LAG, |seen| seen.is_pod(&pod.uid)).await;
        if how == How::Adopted && pod.is_over() && !pod.stopping {
            // The watch shows it by now, so the next look clears it away.
            return Ok(None);
        }
        if how == How::Created {
            let follower = self.pods.follow(user);
            let uid = pod.uid.clone();
            tokio::spawn(outcome::observe(user.clone(), uid, follower, self.metrics.clone()));
        }
        let snapshot = if snapshot.is_pod(&pod.uid) { snapshot } else { Snapshot::of(pod) };
        Ok(Some(match how {
            How::Created => Started { snapshot, how },
            How::Adopted | How::Stopping => Started::with(snapshot),
        }))
    }

    /// Deletes a pod that has ended for good. Whether it is gone.
    async fn clear(&self, pod: &PodView, follower: &mut Follower) -> Result<bool, ServerError> {
        self.cluster.delete_pod(&object::pod(&pod.user), &pod.uid).await?;
        let seen = follower.until(REPLACE_BUDGET, |seen| !seen.is_pod(&pod.uid)).await;
        Ok(!seen.is_pod(&pod.uid))
    }
}

fn annotate(object: &mut Value, name: &str, text: String) {
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    let annotations = metadata
        .and_then(|all| all.entry("annotations").or_insert_with(|| json!({})).as_object_mut());
    if let Some(annotations) = annotations {
        annotations.insert(name.to_owned(), text.into());
    }
}

impl Started {
    /// What was found; nothing was created.
    fn with(snapshot: Snapshot) -> Self {
        let stopping = snapshot.pod.as_ref().is_some_and(|pod| pod.stopping);
        Self { snapshot, how: if stopping { How::Stopping } else { How::Adopted } }
    }
}

impl ServerError {
    /// The name, as the API and metric labels spell it.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Full(full) => full.what.name(),
            Self::Image(_) => "image_not_allowed",
            Self::OtherImage(_) => "other_image",
            Self::Fault(fault) => fault.refusal().name(),
            Self::Template(_) => "template_invalid",
            Self::NoRandom(_) => "no_random",
            Self::NotTheUsers(_) => "name_taken",
            Self::Restless(_) => "restless",
            Self::HomeDeleting(_) => "home_deleting",
            Self::NotTheUsersHome(_) => "home_taken",
            Self::NoHomes => "no_homes",
        }
    }
}
