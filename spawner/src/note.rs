//! The few events about a pod that tell what its own status does not: which image is on its way,
//! which volume cannot be mounted, whether a node is being added.

use contract::{UserId, object};
use k8s_openapi::api::core::v1::Event;

use crate::pod::version_of;

/// An event, trimmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The pod it is about.
    pub pod_uid: String,
    /// What happened.
    pub kind: NoteKind,
    /// In the words of whoever reported it.
    pub message: String,
    /// The event's `resourceVersion`: orders notes, and notes with the pod.
    pub version: u64,
}

/// The events that are kept; one of each kind, the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteKind {
    /// An image is being downloaded.
    Pulling,
    /// It has been.
    Pulled,
    /// A volume cannot be attached or mounted.
    VolumeFailed,
    /// The pod's network or sandbox cannot be made.
    SandboxFailed,
    /// The cluster is adding a node for the pod.
    ScaleUp,
    /// The cluster cannot add one that would do.
    NoScaleUp,
}

impl NoteKind {
    /// By the `reason` of the event.
    fn of(reason: &str) -> Option<Self> {
        Some(match reason {
            "Pulling" => Self::Pulling,
            "Pulled" => Self::Pulled,
            "FailedMount" | "FailedAttachVolume" | "FailedMapVolume" => Self::VolumeFailed,
            "FailedCreatePodSandBox" => Self::SandboxFailed,
            "TriggeredScaleUp" => Self::ScaleUp,
            "NotTriggerScaleUp" => Self::NoScaleUp,
            _ => return None,
        })
    }
}

impl Note {
    /// Reads `event`. `None` if it is not about a user's pod, or tells nothing.
    #[must_use]
    pub fn of(event: Event) -> Option<(UserId, Self)> {
        let about = event.involved_object;
        let user = user_in(&about.name?)?;
        let note = Self {
            pod_uid: about.uid?,
            kind: NoteKind::of(event.reason.as_deref()?)?,
            message: event.message.unwrap_or_default().chars().take(KEPT_CHARS).collect(),
            version: version_of(event.metadata.resource_version.as_deref()),
        };
        Some((user, note))
    }
}

/// Puts `note` in the place of an older one of its kind.
pub fn keep_newest(notes: &mut Vec<Note>, note: Note) {
    match notes.iter_mut().find(|kept| kept.kind == note.kind && kept.pod_uid == note.pod_uid) {
        Some(kept) if kept.version > note.version => {}
        Some(kept) => *kept = note,
        None => notes.push(note),
    }
}

/// The user whose pod is called `name`: the id ends the name.
fn user_in(name: &str) -> Option<UserId> {
    let (at, _) = name.char_indices().rev().nth(UUID_CHARS - 1)?;
    let user = name.get(at..)?.parse().ok()?;
    (object::pod(&user) == name).then_some(user)
}

/// The length of a user id.
const UUID_CHARS: usize = 36;

/// How much of an event's message is kept, in characters: enough for a name and a cause.
const KEPT_CHARS: usize = 400;
