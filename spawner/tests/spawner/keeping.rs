//! A page that has a WebSocket open and sends nothing else: it lives as long as its session.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::State, routing::post};
use edge::oidc::{
    UnixTime,
    testing::{ALICE, BOB},
};
use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest as _, protocol::frame::coding::CloseCode},
};

use crate::{
    browser::{Browser, FETCH},
    house::{HANGS, House, ORIGIN, pod_of},
    issuer::Refresh,
    sidecar,
    tell::events,
};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How long the first token of a session lives.
const LIFE: u64 = 4;

const PROGRESS: &str = "/-/api/v1/me/server/progress";

/// What the sidecar was shown.
type Shown = Arc<Mutex<Vec<String>>>;

/// A sidecar that is shown fresh tokens.
fn sidecar() -> (Router, Shown) {
    let shown = Shown::default();
    let show = async |State(shown): State<Shown>, headers: HeaderMap| {
        let token = headers["authorization"].to_str().unwrap().to_owned();
        shown.lock().unwrap().push(token);
        StatusCode::NO_CONTENT
    };
    let desk = Router::new().route("/session", post(show)).with_state(Arc::clone(&shown));
    (desk.merge(sidecar::router()), shown)
}

/// Alice's browser with a token that ends soon, and when that is. What follows lives for long.
async fn short_lived(house: &House) -> (Browser<'_>, UnixTime) {
    let end = UnixTime::from_secs(UnixTime::now().as_secs() + LIFE);
    house.issuer().script(|script| script.access = json!({ "exp": end.as_secs() }));
    let browser = Browser::of(house, ALICE).await;
    house.issuer().script(|script| script.access = json!({}));
    (browser, end)
}

async fn open(house: &House, browser: &Browser<'_>) -> Socket {
    let mut request = format!("ws://{}/echo", house.address).into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert("host", ORIGIN.trim_start_matches("https://").parse().unwrap());
    headers.insert("origin", ORIGIN.parse().unwrap());
    headers.insert("cookie", browser.cookies().parse().unwrap());
    tokio_tungstenite::connect_async(request).await.unwrap().0
}

/// Talks until `end`; how the socket was closed before, if it was.
async fn talk_until(socket: &mut Socket, end: UnixTime) -> Option<CloseCode> {
    while UnixTime::now() <= end {
        // Lost while the other side says goodbye, as its answer tells.
        let _ = socket.send(Message::text("hello")).await;
        match timeout(HANGS, socket.next()).await.unwrap().unwrap().unwrap() {
            Message::Close(frame) => return Some(frame.unwrap().code),
            message => assert_eq!(message, Message::text("hello")),
        }
    }
    None
}

fn after(end: UnixTime) -> UnixTime {
    end.plus(std::time::Duration::from_secs(1))
}

#[tokio::test]
async fn a_socket_alone_outlives_its_token_and_the_browser_hears_of_it() {
    let (router, shown) = sidecar();
    let house = House::with_login_and(router).await;
    house.with_alices_pod().await;
    let (mut browser, end) = short_lived(&house).await;
    let mut socket = open(&house, &browser).await;
    assert_eq!(talk_until(&mut socket, after(end)).await, None, "closed with its first token");
    assert_eq!(house.issuer().refreshes(), 1);

    // The browser's own token has ended. It gets the one that the socket was kept with.
    let next = browser.fetch("/chat").await;
    assert_eq!(next.status, StatusCode::OK, "{}", next.text);
    assert!(next.headers.contains_key("set-cookie"));
    assert_eq!(house.issuer().refreshes(), 1, "nobody asks twice");
    assert_eq!(*shown.lock().unwrap(), [next.json()["authorization"].as_str().unwrap()]);
}

#[tokio::test]
async fn progress_goes_on_with_the_next_token() {
    let house = House::with_login().await;
    house.api.put(pod_of(ALICE, json!({"phase": "Pending"})));
    house.until("Creating").await;
    let (mut browser, end) = short_lived(&house).await;
    let first = browser.fetch(PROGRESS).await;
    assert!(UnixTime::now() >= end, "it ends with the token and not before");
    let seen = events(&first)[0].0.unwrap().to_string();

    // So an `EventSource` comes again by itself: with the session, and with what it has seen.
    let again = [&FETCH[..], &[("last-event-id", seen.as_str())]].concat();
    let listening = browser.send(Method::GET, PROGRESS, &again, "");
    let kubelet = async {
        house.somebody_waits().await;
        house.get_ready();
    };
    let (second, ()) = tokio::join!(listening, kubelet);
    assert!(second.headers.contains_key("set-cookie"), "fresh tokens: {}", second.text);
    let told = events(&second);
    assert_eq!((told.len(), &told[0].1["phase"]), (1, &json!("Ready")));
}

#[tokio::test]
async fn a_session_that_the_issuer_has_ended_is_not_kept_open() {
    for refusal in [Refresh::InvalidGrant, Refresh::Down] {
        let (router, shown) = sidecar();
        let house = House::with_login_and(router).await;
        house.with_alices_pod().await;
        let (browser, end) = short_lived(&house).await;
        house.issuer().script(|script| script.refresh = refusal);
        let mut socket = open(&house, &browser).await;
        assert_eq!(talk_until(&mut socket, after(end)).await, Some(CloseCode::Policy));
        assert!(house.issuer().refreshes() > 0, "it was asked");
        assert!(shown.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn fresh_tokens_of_another_user_or_login_keep_nothing_open() {
    for change in [json!({"sub": BOB}), json!({"sid": "another"})] {
        let (router, shown) = sidecar();
        let house = House::with_login_and(router).await;
        house.with_alices_pod().await;
        let (browser, end) = short_lived(&house).await;
        house.issuer().script(|script| script.access = change.clone());
        let mut socket = open(&house, &browser).await;
        let closed = talk_until(&mut socket, after(end)).await;
        assert_eq!(closed, Some(CloseCode::Policy), "{change}");
        assert!(shown.lock().unwrap().is_empty());
    }
}
