//! What the scheduler's words about a pod's claim mean to its user.

use super::{Reason, State, Status, cause};

/// What stands against the claim: the scheduler's words for it (`plugins/volumebinding`,
/// `plugins/volumezone`, of 1.30 to 1.37), what to tell, and what is in the way.
const WORDS: [(&[&str], Reason, &str); 6] = [
    (
        &["is being deleted"],
        Reason::Home,
        "Your home is being deleted. Stop your workspace; started again, it gets a new one.",
    ),
    (
        &["non-existent persistentvolume", "non-existent pv"],
        Reason::Home,
        "The volume of your home is gone. An administrator may be able to bring it back; deleting \
         your home gives you a new, empty one.",
    ),
    (
        &["persistentvolumeclaim \"", "not found"],
        Reason::Home,
        "The claim for your home is not there. Stop your workspace; started again, it gets a new \
         one. If it does not, an administrator has to make it.",
    ),
    (
        &["provisioning failed", "binding volumes", "unbound immediate"],
        Reason::Volume,
        "Your home has no volume yet. It starts by itself when it has; if this lasts, an \
         administrator has to look at its claim: there may be no storage class that makes one.",
    ),
    (
        &["node affinity conflict", "PersistentVolume's node affinity", "no available volume zone"],
        Reason::Volume,
        "No node that reaches the volume of your home has room for your workspace. It starts by \
         itself when one has; if this lasts, tell an administrator.",
    ),
    (
        &["available persistent volumes to bind", "enough free storage"],
        Reason::Volume,
        "There is no storage for your home. It starts by itself when there is; an administrator has \
         to add some.",
    ),
];

/// What to tell of a pod that the scheduler refuses, if it is about the home.
pub(super) fn refused(why: &str) -> Option<Status> {
    let about = |words: &[&str]| match words {
        // Both: other things are not found either.
        [claim, missing @ "not found"] => why.contains(claim) && why.contains(missing),
        words => words.iter().any(|word| why.contains(word)),
    };
    let (_, reason, told) = WORDS.iter().find(|(words, ..)| about(words))?;
    let message = format!("{told}{}", cause::sentence(why));
    Some(Status::held_up(State::Scheduling, *reason, message))
}

#[cfg(test)]
mod tests {
    use super::{Reason, refused};

    #[test]
    fn what_is_wrong_with_a_home_is_told_in_words_for_its_user() {
        let pvc = "persistentvolumeclaim \"openclaw-home-1\"";
        for (why, reason, words) in [
            (
                "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found",
                Reason::Volume,
                "no storage class",
            ),
            (
                "running PreBind plugin \"VolumeBinding\": binding volumes: provisioning failed for \
                 PVC \"openclaw-home-1\"",
                Reason::Volume,
                "no volume yet",
            ),
            (
                "0/2 nodes are available: 2 node(s) didn't find available persistent volumes to bind.",
                Reason::Volume,
                "no storage for your home",
            ),
            (
                "0/2 nodes are available: 1 Insufficient memory, 1 node(s) didn't match \
                 PersistentVolume's node affinity.",
                Reason::Volume,
                "reaches the volume of your home",
            ),
            (&format!("0/1 nodes are available: {pvc} not found."), Reason::Home, "not there"),
            (&format!("0/1 nodes are available: {pvc} is being deleted."), Reason::Home, "deleted"),
            (
                &format!("{pvc} bound to non-existent persistentvolume \"pv-1\""),
                Reason::Home,
                "The volume of your home is gone",
            ),
        ] {
            let status = refused(why).unwrap();
            assert_eq!(status.reason, Some(reason), "{why}");
            assert!(status.message.contains(words), "{words:?} is not in {:?}", status.message);
            let shown = why.split(':').nth(1).unwrap_or(why).trim_end_matches('.').trim();
            assert!(status.message.contains(shown), "the cause is shown: {}", status.message);
            assert_eq!(status.is_worth_waiting(), reason == Reason::Volume, "{why}");
        }
        assert_eq!(refused("0/3 nodes are available: 3 Insufficient memory."), None);
        assert_eq!(refused("0/1 nodes are available: priority class \"x\" not found."), None);
    }
}
