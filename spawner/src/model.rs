//! What the API tells about a server. The field names are JupyterHub's where it has one, so that its
//! clients feel at home.

use std::borrow::Cow;

use contract::UserId;
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use crate::{
    pod::PodView,
    reap::{Activity, Outlook},
    state::{Reason, State, Status},
    stop::LastStop,
    watch::Snapshot,
};

/// Where the API is.
pub(crate) const API: &str = "/-/api/v1";
/// Where a user's own server is asked for.
pub(crate) const MY_SERVER: &str = "/-/api/v1/me/server";
/// Where its progress is told.
pub(crate) const MY_PROGRESS: &str = "/-/api/v1/me/server/progress";

/// Where a user's own home is asked for.
pub(crate) const MY_HOME: &str = "/-/api/v1/me/home";

/// Where an operator asks for `user`'s server.
pub(crate) fn others_server(user: &UserId) -> String {
    format!("{API}/users/{user}/server")
}

/// A user's server.
#[derive(Clone, Debug, Serialize)]
pub struct ServerModel {
    /// The pod's name; empty without a pod.
    pub name: String,
    /// Whether requests are served.
    pub ready: bool,
    /// What is under way.
    pub pending: Option<Pending>,
    /// When the pod was made.
    pub started: Option<Timestamp>,
    /// Where to go when it is ready.
    pub url: &'static str,
    /// Where to hear how far it is.
    pub progress_url: Cow<'static, str>,
    /// How far it is.
    pub state: State,
    /// What is in the way, if something is.
    pub reason: Option<&'static str>,
    /// For the user.
    pub message: String,
    /// How often containers of this pod were restarted.
    pub restarts: u32,
    /// When it may be stopped for being unused or old, at the earliest; told of one server only.
    pub stops_at: Option<Timestamp>,
    /// When it was used last, under JupyterHub's name.
    pub last_activity: Option<Timestamp>,
    /// What keeps, or last kept, it awake; told of one server only.
    pub activity: Option<Activity>,
    /// The place among those who wait for a start, as far as this replica knows.
    pub queue: Option<QueueModel>,
    /// What it was made from.
    pub template: Option<TemplateModel>,
    /// How the pod before ended, if that is known.
    pub last_stop: Option<LastStop>,
}

/// A place in the queue.
#[derive(Clone, Debug, Serialize)]
pub struct QueueModel {
    /// From 1.
    pub position: usize,
}

/// The template of a pod.
#[derive(Clone, Debug, Serialize)]
pub struct TemplateModel {
    /// Tells it from others.
    pub hash: String,
    /// A pod of today would be another: a restart brings the update.
    pub outdated: bool,
}

/// What is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pending {
    /// It is starting.
    Spawn,
    /// It is being stopped.
    Stop,
}

impl ServerModel {
    /// The same with what is known about its end.
    #[must_use]
    pub fn ending(self, outlook: Outlook) -> Self {
        let Outlook { stops_at, activity } = outlook;
        let used = |activity: &Activity| (activity.kind != "busy").then_some(activity.at);
        Self { stops_at, last_activity: activity.as_ref().and_then(used), activity, ..self }
    }

    /// The same for an operator, who hears of it elsewhere.
    #[must_use]
    pub fn of_another(self, user: &UserId) -> Self {
        Self { progress_url: format!("{}/progress", others_server(user)).into(), ..self }
    }

    /// The server of `snapshot`, of which `status` is told.
    #[must_use]
    pub fn of(snapshot: &Snapshot, status: Status) -> Self {
        let Status { state, reason, message } = status;
        let pod = snapshot.pod.as_deref();
        Self {
            name: pod.map(|pod| contract::object::pod(&pod.user)).unwrap_or_default(),
            ready: state == State::Ready,
            pending: match state {
                state if state.is_ending() => Some(Pending::Stop),
                state if state.is_pending() => Some(Pending::Spawn),
                _ => None,
            },
            started: pod.and_then(|pod| pod.created),
            url: "/",
            progress_url: MY_PROGRESS.into(),
            state,
            reason: reason.map(Reason::name),
            message,
            restarts: pod.map_or(0, PodView::restarts),
            stops_at: None,
            last_activity: None,
            activity: None,
            queue: None,
            template: None,
            last_stop: snapshot.last_stop.as_deref().cloned(),
        }
    }
}
