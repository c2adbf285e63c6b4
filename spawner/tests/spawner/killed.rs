//! A replica that is killed in the middle of a start: another one finishes it, and so does the one
//! that comes after it.

use edge::oidc::testing::ALICE;
use http::{Method, StatusCode};
use serde_json::Value;

use crate::{
    api_server::{ApiServer, Cut},
    house::{House, alice, bearer, pod_name, ready, send_to},
    program::Program,
};

const SERVER: &str = "/-/api/v1/me/server";

/// Every write of a start, once lost and once done without an answer.
fn cuts() -> impl Iterator<Item = Cut> {
    let calls = ["create home", "create secret", "apply networkpolicy", "create pod"];
    calls.into_iter().flat_map(|call| [false, true].map(|done| Cut { call, done }))
}

/// The gateway token, if it was made.
fn token(api: &ApiServer) -> Option<Value> {
    let name = contract::secret::gateway(&ALICE.parse().unwrap());
    Some(api.secret(&name)?["stringData"].clone())
}

/// Has alice's start cut off at `cut`, and the replica that did it killed.
async fn start_and_kill(api: &ApiServer, cut: Cut) {
    let victim = Program::start(api).await;
    api.cut_at(cut);
    let token = bearer(ALICE);
    let starting = async {
        // Refused as long as it does not know the pods; then there is no answer.
        loop {
            let headers = [("authorization", token.as_str())];
            let answer = send_to(victim.address, Method::POST, SERVER, &headers).await;
            assert_eq!(answer.refused(503), "warming_up");
        }
    };
    let seen = format!("cut off at {}", cut.call);
    tokio::select! {
        () = starting => {}
        () = api.saw(&seen) => {}
    }
    victim.kill().await;
}

/// The next request of the user leads to one pod, and to nothing else.
async fn converges(api: &ApiServer, replica: &House, cut: Cut) {
    let made = token(api);
    let path = format!("{SERVER}?wait=60");
    let starting = replica.ask(Method::POST, &path);
    let kubelet = async {
        while api.pod(&pod_name()).is_none() {
            tokio::task::yield_now().await;
        }
        api.set_status(&pod_name(), ready());
    };
    let (answer, ()) = tokio::join!(starting, kubelet);
    assert_eq!(answer.status, StatusCode::CREATED, "{cut:?}: {}", answer.text);
    assert_eq!((api.created().len(), api.count("delete pod")), (1, 0), "{cut:?}");
    assert!(api.policy(&pod_name()).is_some() && token(api).is_some(), "{cut:?}");
    assert!(api.home(&contract::object::home(&alice())).is_some(), "{cut:?}");
    assert!(made.is_none() || made == token(api), "the token is kept: {cut:?}");
    let again = replica.ask(Method::GET, "/chat").await;
    assert_eq!(again.status, StatusCode::OK, "{cut:?}: {}", again.text);
}

#[tokio::test]
async fn another_replica_finishes_what_a_killed_one_began() {
    for cut in cuts() {
        let api = ApiServer::new();
        let other = House::with_api(api.clone()).await;
        start_and_kill(&api, cut).await;
        converges(&api, &other, cut).await;
    }
}

#[tokio::test]
async fn the_replica_that_comes_after_a_killed_one_finishes_it_too() {
    for cut in cuts() {
        let api = ApiServer::new();
        start_and_kill(&api, cut).await;
        converges(&api, &House::with_api(api.clone()).await, cut).await;
    }
}
