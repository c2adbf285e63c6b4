use edge::readiness::Readiness;

use super::*;
use crate::authority::{Ca, fake::FakeApi, pem};

const NOW: UnixTime = 1_800_000_000;
const YEAR: UnixTime = 365 * 24 * 3600;

fn replica(api: &FakeApi) -> (Keeper, Readiness) {
    let own = Own {
        secret: "ca".into(),
        webhook_configuration: "ours".into(),
        service: "webhook".into(),
        namespace: "system".into(),
        lives: Lives::default(),
    };
    let readiness = Readiness::new();
    let (metrics, _) = metrics::registry();
    let cluster = Cluster::new(api.client(), &own);
    let gate = readiness.gate("certificate");
    (Keeper::new(cluster, &own, Clients::anyone(), metrics, gate), readiness)
}

/// Looks until all is well. Replicas that collide need a second look.
async fn settle(keeper: &mut Keeper, now: UnixTime) {
    for _ in 0..3 {
        if keeper.look(now).await == LOOK {
            return;
        }
    }
    keeper.repair(now).await.unwrap();
}

/// Whether what `keeper` serves is signed by something in the published `caBundle`.
fn is_trusted(keeper: &Keeper, api: &FakeApi) -> bool {
    pem::contains(api.bundle().as_bytes(), &keeper.served.as_ref().unwrap().ca)
}

fn webhook_bundles(api: &FakeApi) -> Vec<bool> {
    let has = |webhook: &serde_json::Value| webhook["clientConfig"]["caBundle"].is_string();
    api.change(|objects| {
        objects.configuration["webhooks"].as_array().unwrap().iter().map(has).collect()
    })
}

#[tokio::test]
async fn replicas_that_start_at_once_agree_on_one_ca() {
    let api = FakeApi::new();
    let (mut one, readiness) = replica(&api);
    let (mut two, _) = replica(&api);
    assert!(!readiness.snapshot().is_ready());
    tokio::join!(settle(&mut one, NOW), settle(&mut two, NOW));
    settle(&mut one, NOW).await;
    assert_eq!(one.served.as_ref().unwrap().ca, two.served.as_ref().unwrap().ca);
    assert!(is_trusted(&one, &api));
    assert!(readiness.snapshot().is_ready());
    assert_eq!(webhook_bundles(&api), [true, false], "another Service's webhook is not ours");
}

#[tokio::test]
async fn a_second_look_writes_nothing() {
    let api = FakeApi::new();
    let (mut keeper, _) = replica(&api);
    settle(&mut keeper, NOW).await;
    let writes = api.change(|objects| objects.writes);
    let served = keeper.served.as_ref().unwrap().config.current();
    settle(&mut keeper, NOW + 60).await;
    assert_eq!(api.change(|objects| objects.writes), writes);
    assert!(std::sync::Arc::ptr_eq(&served, &keeper.served.as_ref().unwrap().config.current()));
}

#[tokio::test]
async fn the_leaf_is_renewed_at_two_thirds_of_its_life() {
    let api = FakeApi::new();
    let (mut keeper, _) = replica(&api);
    settle(&mut keeper, NOW).await;
    let first = keeper.served.as_ref().unwrap().leaf.validity;
    let week = 7 * 24 * 3600;
    settle(&mut keeper, NOW + week * 2 / 3 - 1).await;
    assert_eq!(keeper.served.as_ref().unwrap().leaf.validity, first);
    settle(&mut keeper, NOW + week * 2 / 3 + 1).await;
    assert!(keeper.served.as_ref().unwrap().leaf.validity.not_after > first.not_after);
}

#[tokio::test]
async fn what_somebody_broke_is_put_back() {
    let api = FakeApi::new();
    let (mut keeper, _) = replica(&api);
    settle(&mut keeper, NOW).await;
    let bundle = api.bundle();
    let damages: [fn(&mut crate::authority::fake::Objects); 4] = [
        |o| o.configuration["webhooks"][0]["clientConfig"]["caBundle"] = "bm9uc2Vuc2U=".into(),
        |o| o.configuration["webhooks"][0]["clientConfig"]["caBundle"] = serde_json::Value::Null,
        |o| o.secret = serde_json::Value::Null,
        |o| o.secret["data"]["ca.key"] = "bm9uc2Vuc2U=".into(),
    ];
    for damage in damages {
        api.change(damage);
        settle(&mut keeper, NOW + 60).await;
        assert_eq!(api.bundle(), bundle);
    }
    // A replica that starts later finds everything as it was.
    let (mut late, _) = replica(&api);
    settle(&mut late, NOW + 120).await;
    assert_eq!(late.served.as_ref().unwrap().ca, keeper.served.as_ref().unwrap().ca);
}

#[tokio::test]
async fn a_new_ca_where_none_is_known_leaves_the_old_one_trusted() {
    let api = FakeApi::new();
    let (mut old, _) = replica(&api);
    settle(&mut old, NOW).await;
    api.change(|objects| objects.secret = serde_json::Value::Null);
    let (mut new, _) = replica(&api);
    settle(&mut new, NOW + 60).await;
    assert!(is_trusted(&old, &api) && is_trusted(&new, &api));
}

#[tokio::test]
async fn through_a_year_no_replica_ever_serves_what_is_not_trusted() {
    let api = FakeApi::new();
    let (mut one, _) = replica(&api);
    let (mut two, _) = replica(&api);
    let mut cas = std::collections::BTreeSet::new();
    // Two replicas that look at different times, an hour and a bit apart.
    for step in 0..(YEAR / 4000) {
        let now = NOW + step * 4000;
        let keeper = if step % 3 == 0 { &mut two } else { &mut one };
        settle(keeper, now).await;
        for keeper in [&one, &two] {
            if let Some(serving) = &keeper.served {
                assert!(is_trusted(keeper, &api), "step {step}");
                assert!(serving.leaf.validity.covers(now), "step {step}");
                cas.insert(serving.ca.clone());
            }
        }
    }
    assert_eq!(cas.len(), 2, "one rotation a year");
}

#[tokio::test]
async fn without_the_api_server_it_serves_on_as_long_as_the_leaf_lives() {
    let api = FakeApi::new();
    let (mut keeper, readiness) = replica(&api);
    settle(&mut keeper, NOW).await;
    api.change(|objects| objects.is_down = true);
    assert_eq!(keeper.look(NOW + 24 * 3600).await, RETRY);
    assert!(readiness.snapshot().is_ready());
    assert_eq!(keeper.look(NOW + 8 * 24 * 3600).await, RETRY);
    assert!(!readiness.snapshot().is_ready());
    api.change(|objects| objects.is_down = false);
    settle(&mut keeper, NOW + 8 * 24 * 3600).await;
    assert!(readiness.snapshot().is_ready());
}

#[tokio::test]
async fn a_clock_that_jumps_is_followed() {
    let api = FakeApi::new();
    let (mut keeper, _) = replica(&api);
    for now in [NOW, NOW + 3 * YEAR, NOW, NOW - YEAR] {
        settle(&mut keeper, now).await;
        assert!(keeper.served.as_ref().unwrap().leaf.validity.covers(now));
        assert!(is_trusted(&keeper, &api));
    }
}

fn bytes(text: &str) -> serde_json::Value {
    serde_json::json!(k8s_openapi::ByteString(text.as_bytes().to_vec()))
}

#[tokio::test]
async fn each_key_of_the_secret_may_be_damaged_in_each_way() {
    let api = FakeApi::new();
    let (mut keeper, _) = replica(&api);
    settle(&mut keeper, NOW).await;
    let (bundle, ca) = (api.bundle(), keeper.served.as_ref().unwrap().ca.clone());
    let other = Ca::generate(NOW, Lives::default().ca).unwrap();
    for (key, stranger) in [("ca.crt", other.certificate()), ("ca.key", other.key())] {
        for damage in ["nonsense", "", stranger] {
            api.change(|o| o.secret["data"][key] = bytes(damage));
            settle(&mut keeper, NOW + 60).await;
            assert_eq!(api.bundle(), bundle, "{key}: {damage}");
        }
    }
    for key in ["next.crt", "next.key", "previous.crt", "since"] {
        api.change(|o| o.secret["data"][key] = bytes("nonsense"));
        settle(&mut keeper, NOW + 60).await;
        assert_eq!(api.bundle(), bundle, "{key}");
    }
    assert_eq!(keeper.served.as_ref().unwrap().ca, ca, "one leaf all along");
}

#[tokio::test]
async fn a_strangers_secret_is_used_beside_what_they_put_there() {
    let api = FakeApi::new();
    api.change(|o| {
        o.secret = serde_json::json!({
            "metadata": {"resourceVersion": "0", "labels": {"velero": "restored"}},
            "type": "kubernetes.io/tls",
            "data": {"tls.crt": bytes("theirs"), "tls.key": bytes("theirs")},
        });
    });
    let (mut keeper, readiness) = replica(&api);
    settle(&mut keeper, NOW).await;
    assert!(readiness.snapshot().is_ready() && is_trusted(&keeper, &api));
    let secret = api.change(|o| o.secret.clone());
    assert_eq!(secret["type"], "kubernetes.io/tls", "a type cannot change");
    assert_eq!(secret["data"]["tls.crt"], bytes("theirs"));
    assert_eq!(secret["metadata"]["labels"]["velero"], "restored");
    assert!(secret["data"]["ca.key"].is_string());
}

#[tokio::test]
async fn an_immutable_secret_is_told_and_served_without() {
    let api = FakeApi::new();
    let (mut keeper, readiness) = replica(&api);
    settle(&mut keeper, NOW).await;
    api.change(|o| {
        o.secret["immutable"] = true.into();
        o.secret["data"]["ca.key"] = bytes("nonsense");
    });
    keeper.look(NOW + 60).await;
    let words = readiness.snapshot();
    assert!(words.is_ready() && words.to_string().contains("immutable: delete it"), "{words}");
    let (mut late, readiness) = replica(&api);
    late.look(NOW + 60).await;
    assert!(!readiness.snapshot().is_ready());
}

#[tokio::test]
async fn another_whole_ca_in_the_secret_takes_over_without_a_gap() {
    let api = FakeApi::new();
    let (mut keeper, _) = replica(&api);
    settle(&mut keeper, NOW).await;
    let mine = keeper.served.as_ref().unwrap().ca.clone();
    // As from a backup: good, and unknown to every replica.
    let backup = Rotation::begin(NOW, Lives::default(), b"").unwrap();
    api.change(|o| {
        for (key, value) in backup.to_data() {
            o.secret["data"][key] = serde_json::json!(k8s_openapi::ByteString(value));
        }
    });
    assert_eq!(keeper.look(NOW + 60).await, RETRY, "it had to be published");
    assert_eq!(keeper.served.as_ref().unwrap().ca, mine, "nobody trusts the other one yet");
    assert!(is_trusted(&keeper, &api));
    settle(&mut keeper, NOW + 65).await;
    assert_eq!(keeper.served.as_ref().unwrap().ca, backup.current.certificate());
    assert!(is_trusted(&keeper, &api));
    assert!(pem::contains(api.bundle().as_bytes(), &mine), "another replica may still serve it");
}

#[tokio::test]
async fn a_replica_is_ready_only_when_its_trust_was_seen() {
    let api = FakeApi::new();
    let (mut keeper, readiness) = replica(&api);
    assert_eq!(keeper.look(NOW).await, RETRY);
    assert!(keeper.served.is_some() && !readiness.snapshot().is_ready());
    assert_eq!(keeper.look(NOW).await, LOOK);
    assert!(readiness.snapshot().is_ready());
}

#[tokio::test]
async fn a_new_ca_comes_when_it_is_asked_for() {
    let api = FakeApi::new();
    let (mut one, _) = replica(&api);
    let (mut two, _) = replica(&api);
    settle(&mut one, NOW).await;
    settle(&mut two, NOW).await;
    let old = one.served.as_ref().unwrap().ca.clone();
    api.change(|o| {
        o.secret["metadata"]["annotations"] =
            serde_json::json!({"a": "b", contract::annotation::ROTATE_CA: "now"})
    });
    for seconds in [0, 5, 150, 299] {
        settle(&mut one, NOW + 60 + seconds).await;
        settle(&mut two, NOW + 60 + seconds).await;
        assert_eq!(one.served.as_ref().unwrap().ca, old, "{seconds}");
    }
    assert_eq!(
        api.change(|o| o.secret["metadata"]["annotations"].clone()),
        serde_json::json!({"a": "b"}),
        "the request is answered once"
    );
    settle(&mut two, NOW + 60 + 300).await;
    let new = two.served.as_ref().unwrap().ca.clone();
    assert_ne!(new, old);
    assert!(is_trusted(&one, &api) && is_trusted(&two, &api), "each its own");
    settle(&mut one, NOW + 60 + 305).await;
    assert_eq!(one.served.as_ref().unwrap().ca, new);
    // No leaf of the old one is left after a leaf's life.
    settle(&mut one, NOW + 60 + 300 + 7 * 24 * 3600).await;
    assert_eq!(pem::certificates(api.bundle().as_bytes()).len(), 1);
}

#[tokio::test]
async fn a_clock_that_jumps_back_and_forth_within_a_leafs_life_changes_nothing_but_the_leaf() {
    let api = FakeApi::new();
    let (mut keeper, _) = replica(&api);
    let day = 24 * 3600;
    for now in [NOW, NOW + 6 * day, NOW, NOW - 2 * 3600, NOW] {
        settle(&mut keeper, now).await;
        let served = keeper.served.as_ref().unwrap();
        assert!(served.leaf.validity.covers(now) && is_trusted(&keeper, &api), "{now}");
    }
}

#[tokio::test]
async fn client_cas_that_change_are_used_and_bad_ones_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.crt");
    let put = || {
        let ca = Ca::generate(NOW, Lives::default().ca).unwrap();
        std::fs::write(&file, ca.certificate()).unwrap();
    };
    put();
    let api = FakeApi::new();
    let (mut keeper, readiness) = replica(&api);
    keeper.clients = Clients::signed_by(&file).unwrap();
    settle(&mut keeper, NOW).await;
    let served = keeper.served.as_ref().unwrap().config.clone();
    let first = served.current();
    std::fs::write(&file, "nonsense").unwrap();
    settle(&mut keeper, NOW + 5).await;
    assert!(std::sync::Arc::ptr_eq(&first, &served.current()), "the last good ones stay");
    assert!(readiness.snapshot().to_string().contains("client CAs is unusable"));
    put();
    settle(&mut keeper, NOW + 10).await;
    assert!(!std::sync::Arc::ptr_eq(&first, &served.current()));
    assert_eq!(readiness.snapshot().to_string(), "certificate: ready\n");
}
