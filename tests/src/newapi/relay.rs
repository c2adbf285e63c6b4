//! Your own NewAPI behind a recorder. Pods of a development cluster may have no way to the internet,
//! but this host has; and so the demo can show which key arrived.

use anyhow::{Context as _, Result, ensure};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, Uri, header, uri::PathAndQuery};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::recorder::recording;

#[derive(Clone)]
struct Relay {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    /// Without a trailing slash and without `/v1`.
    base: String,
}

/// Everything goes to NewAPI at `base_url`, with the key that the pod sent.
///
/// # Errors
/// `base_url` is no http or https URL.
pub fn router(base_url: &str) -> Result<Router> {
    let base = contract::newapi::base(base_url).to_owned();
    let uri: Uri = base.parse().with_context(|| format!("{base:?} is no URL"))?;
    let scheme = uri.scheme_str();
    ensure!(matches!(scheme, Some("http" | "https")), "{base:?} is no http or https URL");
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(rustls::crypto::aws_lc_rs::default_provider())?
        .https_or_http()
        .enable_http1()
        .build();
    let client = Client::builder(TokioExecutor::new()).build(connector);
    Ok(recording(Router::new().fallback(forward).with_state(Relay { client, base })))
}

async fn forward(State(relay): State<Relay>, mut request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    match format!("{}{path}", relay.base).parse() {
        Ok(uri) => *request.uri_mut() = uri,
        Err(error) => return (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
    // The client writes the one that belongs to the new address.
    request.headers_mut().remove(header::HOST);
    match relay.client.request(request).await {
        Ok(answer) => answer.map(Body::new).into_response(),
        Err(error) => {
            let text = format!("NewAPI at {} does not answer: {error:?}\n", relay.base);
            (StatusCode::BAD_GATEWAY, text).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;
    use crate::{chat, door::Door, keycloak::Token, newapi::StandIn, people::person};

    async fn listening(router: Router) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        tokio::spawn(axum::serve(listener, router).into_future());
        authority
    }

    #[tokio::test]
    async fn what_is_relayed_streams_and_is_recorded() {
        let alice = person("alice").unwrap();
        let keys = [(alice.newapi_key(), "alice".to_owned())].into();
        let new_api = listening(StandIn::new(keys, Duration::ZERO).router()).await;
        let relay = listening(router(&format!("http://{new_api}/v1/")).unwrap()).await;
        let relay = Door::at("relay", &relay);
        let key = Token::new(alice.newapi_key());
        let question = chat::held_question("m", "hi", "h");
        let mut words = chat::ask(&relay, &key, &question).await.unwrap();
        assert_eq!(words.next().await.unwrap().as_deref(), Some("Hello "));
        Door::at("NewAPI", &new_api).post("/go-on/h").send().await.unwrap();
        assert_eq!(words.rest().await.unwrap().0, "alice, m here. You said: hi");
        let seen = relay.get("/recorded").send().await.unwrap().text().await.unwrap();
        assert!(seen.contains(&alice.newapi_key()), "{seen}");
    }

    #[tokio::test]
    async fn a_newapi_that_does_not_answer_is_named() {
        let relay = Door::at("relay", &listening(router("http://127.0.0.1:1").unwrap()).await);
        let answer = relay.get("/v1/models").send().await.unwrap();
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
        assert!(answer.text().await.unwrap().contains("127.0.0.1:1"));
        assert!(router("newapi.example").is_err());
    }
}
