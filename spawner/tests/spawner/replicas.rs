//! Several replicas over one API server: one pod however many ask, and a restart of all of them that
//! nobody notices who comes back when told to.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use edge::{args::DrainArgs, oidc::testing::BOB};
use futures::{SinkExt as _, StreamExt as _, future::join_all};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{
    Message, client::IntoClientRequest as _, protocol::frame::coding::CloseCode,
};

use crate::{
    api_server::ApiServer,
    house::{HANGS, House, Rules, alices_pod, bearer, pod_name, ready},
};

const SERVER: &str = "/-/api/v1/me/server";
const PROGRESS: &str = "/-/api/v1/me/server/progress";
/// Accepting goes on for a moment, as with a load balancer that learns late; then what is open has a
/// little time.
const DRAIN: DrainArgs = DrainArgs {
    drain_delay: Duration::from_millis(300),
    drain_deadline: Duration::from_millis(1300),
};

async fn replica(api: &ApiServer) -> House {
    House::ruled(api.clone(), Rules { drain: DRAIN, ..Rules::default() }).await
}

async fn replicas<const N: usize>(api: &ApiServer) -> [House; N] {
    join_all((0..N).map(|_| replica(api))).await.try_into().ok().unwrap()
}

#[tokio::test]
async fn two_hundred_first_requests_over_three_replicas_make_one_pod() {
    let api = ApiServer::new();
    let houses: [House; 3] = replicas(&api).await;
    let path = format!("{SERVER}?wait=60");
    let asking = join_all((0..200).map(|number| houses[number % 3].ask(Method::POST, &path)));
    let kubelet = async {
        api.saw("create pod").await;
        houses[0].get_ready();
    };
    let (answers, ()) = tokio::join!(asking, kubelet);
    for answer in answers {
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        assert_eq!(answer.json()["name"], pod_name());
    }
    assert_eq!(api.created().len(), 1, "{:?}", api.calls());
    assert_eq!(api.count("delete pod"), 0);
    let calls = api.calls();
    let looks = calls.iter().filter(|call| call.starts_with("get ")).count();
    assert!(calls.len() - looks <= 3 * 4, "the home's, and three writes each: {calls:?}");
    assert!(looks <= 3 * 3, "twice for the home, and once for the pod each: {calls:?}");
}

#[tokio::test]
async fn requests_that_wait_on_every_replica_reach_the_pod_together() {
    let api = ApiServer::new();
    let houses: [House; 3] = replicas(&api).await;
    houses[0].ask(Method::POST, SERVER).await;
    for house in &houses {
        house.until("Creating").await;
    }
    let asking = join_all((0..90).map(|number| houses[number % 3].ask(Method::GET, "/chat")));
    let kubelet = async {
        for house in &houses {
            house.somebody_waits().await;
        }
        houses[0].get_ready();
    };
    let (answers, ()) = tokio::join!(asking, kubelet);
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK));
}

/// An event of the progress stream.
#[derive(Debug)]
struct Told {
    id: u64,
    data: Value,
}

/// All events of one answer.
fn told(text: &str) -> Vec<Told> {
    let field = |event: &str, name: &str| {
        event.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    };
    let read = |event: &str| {
        let id = field(event, "id:").and_then(|id| id.parse().ok()).unwrap_or(0);
        Some(Told { id, data: serde_json::from_str(&field(event, "data:")?).unwrap() })
    };
    text.split("\n\n").filter_map(read).collect()
}

#[tokio::test]
async fn progress_goes_on_at_another_replica_where_it_stopped() {
    let api = ApiServer::new();
    let [one, two]: [House; 2] = replicas(&api).await;
    one.ask(Method::POST, SERVER).await;
    let listening = one.ask(Method::GET, PROGRESS);
    let restart = async {
        one.somebody_waits().await;
        one.trigger.drain();
    };
    let (first, ()) = tokio::join!(listening, restart);
    let first = told(&first.text);
    let last = first.last().unwrap();
    assert!(last.id > 0 && last.data.get("ready").is_none(), "{first:?}");

    let token = bearer(edge::oidc::testing::ALICE);
    let id = last.id.to_string();
    let headers = [("authorization", token.as_str()), ("last-event-id", id.as_str())];
    two.until(last.data["phase"].as_str().unwrap()).await;
    let listening = two.ask_with(Method::GET, PROGRESS, &headers, "");
    let kubelet = async {
        two.somebody_waits().await;
        two.get_ready();
    };
    let (rest, ()) = tokio::join!(listening, kubelet);
    let rest = told(&rest.text);
    assert_eq!(rest.len(), 1, "what was told is not told again: {rest:?}");
    assert!(rest[0].id > last.id && rest[0].data["ready"] == json!(true), "{rest:?}");
}

#[tokio::test]
async fn who_still_waits_when_a_replica_ends_is_sent_to_the_next_one() {
    let api = ApiServer::new();
    let [one, two]: [House; 2] = replicas(&api).await;
    one.ask(Method::POST, SERVER).await;
    let path = format!("{SERVER}?wait=60");
    let held = join_all([one.ask(Method::POST, &path), one.ask(Method::GET, "/chat")]);
    let restart = async {
        one.somebody_waits().await;
        one.trigger.drain();
    };
    let (told, ()) = tokio::join!(held, restart);
    for answer in told {
        assert_eq!(answer.refused(503), "interrupted");
        assert_eq!(answer.headers["retry-after"], "1");
    }
    one.has_ended().await;
    api.set_status(&pod_name(), ready());
    assert_eq!(two.ask(Method::POST, &path).await.status, StatusCode::CREATED);
    assert_eq!(api.created().len(), 1);
}

/// How many writes there were.
fn writes(api: &ApiServer) -> usize {
    api.calls().iter().filter(|call| !call.starts_with("get ")).count()
}

#[tokio::test]
async fn how_a_workspace_ended_is_known_to_replicas_that_were_not_there() {
    let api = ApiServer::new();
    let one = replica(&api).await;
    one.ask(Method::POST, SERVER).await;
    let stop = writes(&api);
    one.ask(Method::DELETE, SERVER).await;
    assert_eq!(writes(&api) - stop, 3, "it says why, deletes, and notes it: {:?}", api.calls());
    api.remove(&pod_name());
    one.until("Stopped").await;

    let two = replica(&api).await;
    let server = two.ask(Method::GET, SERVER).await.json();
    assert_eq!(server["last_stop"]["reason"], "user", "{server}");
    assert_eq!(server["last_stop"]["by"], edge::oidc::testing::ALICE);
    assert!(server["message"].as_str().unwrap().contains("You stopped it"), "{server}");
    for _ in 0..3 {
        two.ask(Method::GET, SERVER).await;
    }
    assert_eq!(api.count("list one networkpolicy"), 1, "asked once");

    // The pod that follows carries it on, to replicas that have seen neither.
    let start = writes(&api);
    two.ask(Method::POST, SERVER).await;
    assert_eq!(writes(&api) - start, 3, "not more for that: {:?}", api.calls());
    let three = replica(&api).await;
    let server = three.ask(Method::GET, SERVER).await.json();
    assert_eq!(
        (&server["last_stop"]["reason"], &server["pending"]),
        (&json!("user"), &json!("spawn"))
    );
}

#[tokio::test]
async fn who_never_had_a_workspace_is_looked_up_once() {
    let api = ApiServer::new();
    let house = replica(&api).await;
    for _ in 0..3 {
        assert_eq!(house.ask(Method::GET, SERVER).await.json()["last_stop"], Value::Null);
    }
    assert_eq!(api.count("list one networkpolicy"), 1);
}

/// What a Service does: requests go to replicas that are not on their way out.
struct Service {
    api: ApiServer,
    houses: Mutex<Vec<Arc<House>>>,
    turn: AtomicUsize,
    restarted: AtomicBool,
}

impl Service {
    async fn over(api: &ApiServer) -> Self {
        let houses: [House; 2] = replicas(api).await;
        Self {
            api: api.clone(),
            houses: Mutex::new(houses.into_iter().map(Arc::new).collect()),
            turn: AtomicUsize::new(0),
            restarted: AtomicBool::new(false),
        }
    }

    fn next(&self) -> Arc<House> {
        let houses = self.houses.lock().unwrap();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        Arc::clone(&houses[turn % houses.len()])
    }

    /// A new replica for each of now, one after the other.
    async fn restart(&self) {
        for _ in 0..2 {
            let new = Arc::new(replica(&self.api).await);
            let old = {
                let mut houses = self.houses.lock().unwrap();
                houses.push(new);
                houses.remove(0)
            };
            // It hears of its end before the endpoints do.
            old.trigger.drain();
            old.stop.drain();
            old.has_ended().await;
        }
        self.restarted.store(true, Ordering::Relaxed);
    }

    fn is_restarted(&self) -> bool {
        self.restarted.load(Ordering::Relaxed)
    }

    /// Requests, one after the other; how many.
    async fn asks(&self) -> usize {
        for count in 0.. {
            if self.is_restarted() {
                return count;
            }
            let answer = self.next().ask(Method::PUT, "/chat").await;
            assert_eq!(answer.status, StatusCode::OK, "after {count}: {}", answer.text);
        }
        unreachable!()
    }

    /// A socket that is opened again whenever it is closed; how often.
    async fn talks(&self) -> usize {
        for count in 1.. {
            let address = self.next().address;
            let mut request = format!("ws://{address}/echo").into_client_request().unwrap();
            let token = bearer(edge::oidc::testing::ALICE).parse().unwrap();
            request.headers_mut().insert("authorization", token);
            let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
            loop {
                if self.is_restarted() {
                    return count;
                }
                // What is said while the other side says goodbye is lost, as its answer tells.
                let _ = socket.send(Message::text("hello")).await;
                match timeout(HANGS, socket.next()).await.unwrap().unwrap().unwrap() {
                    Message::Close(frame) => {
                        assert_eq!(frame.unwrap().code, CloseCode::Restart);
                        break;
                    }
                    message => assert_eq!(message, Message::text("hello")),
                }
            }
        }
        unreachable!()
    }

    /// Bob starts his workspace, and follows that to the end, wherever he has to.
    async fn starts_bob(&self) -> Vec<Told> {
        let token = bearer(BOB);
        let bob = ("authorization", token.as_str());
        let started = self.next().ask_with(Method::POST, SERVER, &[bob], "").await;
        assert_eq!(started.status, StatusCode::ACCEPTED, "{}", started.text);
        let mut all: Vec<Told> = Vec::new();
        while all.last().is_none_or(|last| last.data.get("ready").is_none()) {
            let last = all.last().map_or(0, |last| last.id).to_string();
            let headers = [bob, ("last-event-id", last.as_str())];
            let answer = self.next().ask_with(Method::GET, PROGRESS, &headers, "").await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
            all.extend(told(&answer.text));
        }
        all
    }
}

#[tokio::test]
async fn a_rolling_restart_fails_nothing() {
    let api = ApiServer::new();
    api.put(alices_pod(ready()));
    let service = Service::over(&api).await;
    let load = join_all((0..4).map(|_| service.asks()));
    let sockets = join_all((0..4).map(|_| service.talks()));
    let restart = async {
        api.saw("create pod").await;
        service.restart().await;
        api.set_status(&pod_name().replace(edge::oidc::testing::ALICE, BOB), ready());
    };
    let (asked, opened, told, ()) = tokio::join!(load, sockets, service.starts_bob(), restart);
    assert!(asked.iter().all(|count| *count > 10), "{asked:?}");
    assert!(opened.iter().all(|count| (2..=3).contains(count)), "{opened:?}");
    assert!(told.windows(2).all(|pair| pair[0].id < pair[1].id), "{told:?}");
    assert_eq!(api.created().len(), 2);
}
