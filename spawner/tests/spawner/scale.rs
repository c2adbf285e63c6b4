//! Ten thousand pods: listed once, in pages, and followed from then on.

use serde_json::{Value, json};
use spawner::pod::PodView;
use tokio::time::Instant;

use crate::{
    api_server::ApiServer,
    house::{House, pod_of, ready},
};

const PODS: u32 = 10_000;
/// How many of them one answer holds, so that no more are ever in memory whole.
const PAGE: u32 = 500;

/// A pod as large as those of a cluster, most of which nobody needs.
fn large(number: u32) -> Value {
    let mut pod = pod_of(&user(number), ready());
    pod["metadata"]["managedFields"] = json!([{
        "manager": "kubelet", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:status": "unneeded".repeat(100)},
    }]);
    pod["spec"]["containers"][0]["env"] =
        json!([{"name": "LARGE", "value": "unneeded".repeat(100)}]);
    pod
}

fn user(number: u32) -> String {
    format!("{number:08x}-2222-4333-8444-555555555555")
}

/// What the process holds in memory, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn ten_thousand_pods_are_listed_once_and_followed_from_then_on() {
    let api = ApiServer::new();
    for number in 0..PODS {
        api.put(large(number));
    }
    let (before, begun) = (resident(), Instant::now());
    let house = House::with_api(api).await;
    let (took, after) = (begun.elapsed(), resident());
    eprintln!("{PODS} pods: known after {took:?}, {} KiB more", after.saturating_sub(before));
    assert_eq!(house.pods.snapshots().len(), PODS as usize);
    assert_eq!(house.api.count("list more pods"), (PODS / PAGE - 1) as usize);
    let is_trimmed = |pod: &PodView| !format!("{pod:?}").contains("unneeded");
    assert!(house.pods.all().iter().all(|pod| is_trimmed(pod)));

    for number in [0, 5_000, PODS - 1] {
        let name = format!("openclaw-{}", user(number));
        house.api.set_status(&name, json!({"phase": "Failed", "reason": "Evicted"}));
        house.until_of(&user(number), "Failed").await;
        house.api.cut_watches();
    }
    house.api.remove(&format!("openclaw-{}", user(7)));
    house.until_of(&user(7), "Stopped").await;
    // News, as the others see them, while the API server restarts.
    house.stop_api().await;
    house.api.remove(&format!("openclaw-{}", user(9)));
    house.start_api().await;
    house.until_of(&user(9), "Stopped").await;
    assert_eq!(house.api.count("list pods"), 1, "no list after the first");

    house.api.vanish(&format!("openclaw-{}", user(8)));
    house.api.compact();
    house.api.cut_watches();
    house.until_of(&user(8), "Stopped").await;
    assert_eq!(house.api.count("list pods"), 2, "one after 410");
    assert_eq!(house.pods.snapshots().len(), PODS as usize - 3);
}
