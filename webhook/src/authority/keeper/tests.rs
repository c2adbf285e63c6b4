use edge::readiness::Readiness;

use super::*;
use crate::authority::{fake::FakeApi, pem};

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
