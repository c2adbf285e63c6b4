use std::{collections::HashSet, time::Duration};

use contract::UserId;
use futures::FutureExt as _;
use serde_json::json;

use super::{Pods, TooMany};
use crate::{
    note::{Note, NoteKind},
    pod::PodView,
    state::State,
};

const LONG: Duration = Duration::from_secs(3600);

fn alice() -> UserId {
    "11111111-2222-4333-8444-555555555555".parse().unwrap()
}

/// Alice's pod with this uid, just created.
fn pod(uid: &str) -> PodView {
    let pod = json!({
        "metadata": {
            "name": contract::object::pod(&alice()), "uid": uid, "resourceVersion": "10",
            "labels": {"catalyst.openova.io/openclaw-user": alice().as_str()},
        },
        "spec": {"initContainers": [{"name": "openclaw-auth"}], "containers": []},
    });
    PodView::of(serde_json::from_value(pod).unwrap()).unwrap()
}

fn ready(uid: &str) -> PodView {
    PodView { ready: true, ip: Some([127, 0, 0, 1].into()), ..pod(uid) }
}

fn note(uid: &str, version: u64) -> Note {
    let message = "Pulling".to_owned();
    Note { pod_uid: uid.to_owned(), kind: NoteKind::Pulling, message, version }
}

#[test]
fn absence_means_nothing_until_everything_was_listed() {
    let pods = Pods::default();
    assert!(pods.of(&alice()).is_none());
    pods.listed(&HashSet::new());
    assert_eq!(pods.of(&alice()).unwrap().status().state, State::Stopped);
}

#[tokio::test]
async fn a_change_wakes_who_waits_for_it() {
    let pods = Pods::default();
    pods.apply(pod("one"));
    let mut follower = pods.follow(&alice());
    let waiting = tokio::spawn(async move { follower.until_settled(LONG).await });
    pods.apply(ready("one"));
    assert_eq!(waiting.await.unwrap().status().state, State::Ready);
}

#[tokio::test(start_paused = true)]
async fn out_of_time_the_present_is_the_answer() {
    let pods = Pods::default();
    pods.apply(pod("one"));
    let seen = pods.follow(&alice()).until_settled(LONG).await;
    assert!(seen.status().state.is_pending());
}

#[test]
fn only_the_pod_that_went_is_removed() {
    let pods = Pods::default();
    pods.listed(&HashSet::new());
    pods.apply(pod("new"));
    pods.remove(&pod("old"));
    assert!(pods.of(&alice()).unwrap().is_pod("new"));
    pods.remove(&pod("new"));
    assert!(pods.of(&alice()).unwrap().pod.is_none());
}

#[test]
fn a_list_removes_what_went_unseen_and_tells_it() {
    let pods = Pods::default();
    pods.apply(pod("one"));
    let mut follower = pods.follow(&alice());
    pods.listed(&HashSet::new());
    assert!(follower.changed().now_or_never().unwrap().pod.is_none());
}

#[test]
fn notes_stay_with_their_pod() {
    let pods = Pods::default();
    pods.listed(&HashSet::new());
    pods.note(&alice(), note("one", 11));
    assert_eq!(pods.of(&alice()).unwrap().version(), 0, "no pod, no note");
    pods.apply(pod("one"));
    pods.note(&alice(), note("other", 12));
    assert_eq!(pods.of(&alice()).unwrap().version(), 10, "another pod's note");
    pods.note(&alice(), note("one", 13));
    pods.note(&alice(), note("one", 12));
    assert_eq!(pods.of(&alice()).unwrap().version(), 13, "the newest counts");
    pods.apply(pod("two"));
    assert_eq!(pods.of(&alice()).unwrap().version(), 10, "the next pod starts without notes");
}

#[test]
fn so_many_may_follow_one_user_and_a_place_becomes_free_again() {
    let pods = Pods::default();
    let first = pods.follow_among(&alice(), 1).unwrap();
    assert_eq!(pods.follow_among(&alice(), 1).err(), Some(TooMany));
    drop(first);
    assert!(pods.follow_among(&alice(), 1).is_ok());
}

#[test]
fn a_user_without_pod_and_followers_is_forgotten() {
    let pods = Pods::default();
    drop(pods.follow(&alice()));
    assert!(pods.lock().is_empty());
    pods.apply(pod("one"));
    let follower = pods.follow(&alice());
    pods.remove(&pod("one"));
    assert_eq!(pods.lock().len(), 1, "somebody still follows");
    drop(follower);
    assert!(pods.lock().is_empty());
}
