use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;

use crate::{
    note::{Note, keep_newest},
    pod::PodView,
    state::{self, State, Status},
    stop::LastStop,
};

/// One user's pod at one moment, and what is noted about it.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The pod, if there is one.
    pub pod: Option<Arc<PodView>>,
    /// How the one before ended, as far as this replica knows.
    pub last_stop: Option<Arc<LastStop>>,
    notes: Arc<[Note]>,
    /// Another user's sidecar answered at the pod's address.
    pub(super) doubted: bool,
}

impl Snapshot {
    /// A pod about which nothing is noted yet.
    #[must_use]
    pub fn of(pod: PodView) -> Self {
        Self::default().with_pod(pod)
    }

    /// What to say about it.
    #[must_use]
    pub fn status(&self) -> Status {
        let mut status = state::derive(self.pod.as_deref(), &self.notes);
        if self.doubted && status.state == State::Ready {
            return Status::lost();
        }
        if let (State::Stopped, Some(last)) = (status.state, &self.last_stop) {
            status.message = format!("{} {}", status.message, last.reason.words());
        }
        status
    }

    /// Rises with every change, and is the same on every replica that has seen the same.
    #[must_use]
    pub fn version(&self) -> u64 {
        let notes = self.notes.iter().map(|note| note.version).max().unwrap_or(0);
        self.pod.as_ref().map_or(0, |pod| pod.version.max(notes))
    }

    /// Whether it shows the pod with this `uid`.
    #[must_use]
    pub fn is_pod(&self, uid: &str) -> bool {
        self.pod.as_ref().is_some_and(|pod| pod.uid == uid)
    }

    pub(super) fn with_pod(&self, pod: PodView) -> Self {
        let notes = self.notes.iter().filter(|note| note.pod_uid == pod.uid).cloned().collect();
        let last_stop = pod.last_stop.clone().or_else(|| self.last_stop.clone());
        let is_where_it_was = |known: &PodView| known.uid == pod.uid && known.ip == pod.ip;
        let doubted =
            self.doubted && pod.is_reachable() && self.pod.as_deref().is_some_and(is_where_it_was);
        Self { pod: Some(Arc::new(pod)), notes, last_stop, doubted }
    }

    /// The `pod` is gone.
    pub(super) fn without(&self, pod: &PodView) -> Self {
        let last = LastStop::of(pod, Timestamp::now()).map(Arc::new);
        Self { last_stop: last.or_else(|| self.last_stop.clone()), ..Self::default() }
    }

    pub(super) fn with_note(&self, note: Note) -> Self {
        let mut notes = self.notes.to_vec();
        keep_newest(&mut notes, note);
        Self { notes: notes.into(), ..self.clone() }
    }
}
