//! A sidecar under test, and what people do with it.

use std::{net::SocketAddr, time::Duration};

use axum::body::{Body, to_bytes};
use clap::Parser;
use edge::{
    oidc::{
        UnixTime,
        testing::{ALICE, AUDIENCE, Idp, IdpServer, claims, logout_claims, with},
    },
    shutdown::{Shutdown, Trigger},
};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use sidecar::proxy::{Args, Proxy};
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, client::IntoClientRequest},
};

/// How long a test waits for what must happen, instead of for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// The value of `OPENCLAW_GATEWAY_TOKEN`.
pub(crate) const GATEWAY_TOKEN: &str = "gateway-secret";

#[derive(Debug, Parser)]
struct Program {
    #[command(flatten)]
    proxy: Args,
}

/// Alice's sidecar.
pub(crate) struct Sidecar {
    pub(crate) idp: IdpServer,
    pub(crate) data: SocketAddr,
    pub(crate) admin: SocketAddr,
    trigger: Trigger,
    serving: JoinHandle<()>,
    client: Client<HttpConnector, Body>,
}

/// An answer with its whole body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// What must happen soon.
pub(crate) async fn soon<T>(event: impl Future<Output = T>) -> T {
    timeout(PATIENCE, event).await.expect("this should have happened by now")
}

/// The next piece of a body; none at its clean end.
pub(crate) async fn next(body: &mut Body) -> Option<String> {
    loop {
        let frame = soon(body.frame()).await?.expect("the body broke off");
        let data = frame.into_data().ok()?;
        // HTTP/2 may end with an empty frame.
        if !data.is_empty() {
            return Some(String::from_utf8(data.to_vec()).unwrap());
        }
    }
}

impl Sidecar {
    /// A sidecar in front of `upstream`, with an issuer that is up.
    pub(crate) async fn before(upstream: SocketAddr) -> Self {
        Self::with(upstream, &[], Some(Idp::shared().jwks())).await
    }

    /// The same with more flags, and an issuer that serves these keys or is down.
    pub(crate) async fn with(upstream: SocketAddr, more: &[&str], keys: Option<Value>) -> Self {
        let idp = IdpServer::start(keys).await;
        let upstream = format!("http://{upstream}");
        let flags =
            ["sidecar", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0", "--user", ALICE];
        let flags = flags.into_iter().chain(["--upstream", &upstream, "--issuer", &idp.issuer]);
        let flags = flags.chain(["--audience", AUDIENCE]).chain(more.iter().copied());
        let args = Program::try_parse_from(flags).unwrap().proxy;
        let (trigger, shutdown) = Shutdown::manual();
        let proxy = Proxy::bind(args, Some(GATEWAY_TOKEN), &shutdown).await.unwrap();
        let (data, admin) = (proxy.data_address(), proxy.admin_address());
        let serving = tokio::spawn(proxy.serve(shutdown));
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { idp, data, admin, trigger, serving, client }
    }

    /// Alice's token, with some claims changed.
    pub(crate) fn token(&self, changes: Value) -> String {
        Idp::shared().token(&with(claims(&self.idp.issuer, ALICE, UnixTime::now()), changes))
    }

    /// The value of `Authorization` with alice's token of the session `sid`, accepted for two seconds
    /// more: its `exp` was 28 s ago, and the leeway is 30 s.
    pub(crate) fn ending(&self, sid: &str) -> String {
        let exp = UnixTime::now().as_secs() - 28;
        format!("Bearer {}", self.token(serde_json::json!({"sid": sid, "exp": exp})))
    }

    /// The value of `Authorization` with a good token of alice's session `sid`.
    pub(crate) fn bearer_of(&self, sid: &str) -> String {
        format!("Bearer {}", self.token(serde_json::json!({"sid": sid})))
    }

    /// A logout token about alice, with some claims changed.
    pub(crate) fn logout_token(&self, changes: Value) -> String {
        let claims = with(logout_claims(&self.idp.issuer, ALICE, UnixTime::now()), changes);
        let header = serde_json::json!({
            "alg": "RS256", "typ": "logout+jwt", "kid": Idp::shared().kid("RS256")
        });
        Idp::shared().sign("RS256", &header.to_string(), &claims.to_string())
    }

    /// What the issuer posts to say that a session is over.
    pub(crate) async fn back_channel(&self, form: String) -> Answer {
        let request = Request::post(format!("http://{}/backchannel-logout", self.admin))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(form)).unwrap()).await
    }

    /// What the spawner does when no request would bring the token.
    pub(crate) async fn extend(&self, bearer: &str) -> Answer {
        let request = Request::post(format!("http://{}/session", self.admin))
            .header(header::AUTHORIZATION, bearer);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// A WebSocket at `path`.
    pub(crate) async fn websocket(
        &self,
        path: &str,
        bearer: Option<&str>,
    ) -> Result<WebSocketStream<TcpStream>, tungstenite::Error> {
        let mut request = format!("ws://{}{path}", self.data).into_client_request().unwrap();
        if let Some(bearer) = bearer {
            request.headers_mut().insert(header::AUTHORIZATION, bearer.parse().unwrap());
        }
        let stream = TcpStream::connect(self.data).await.unwrap();
        client_async(request, stream).await.map(|(socket, _)| socket)
    }

    /// A GET for `path` with these headers, answered.
    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(format!("http://{}{path}", self.data));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// A GET for `path` with alice's token.
    pub(crate) async fn get_as_alice(&self, path: &str) -> Answer {
        self.get(path, &[("authorization", &self.bearer())]).await
    }

    /// The value of `Authorization` with a good token of alice.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.token(Value::Object(Default::default())))
    }

    /// A GET on the admin port.
    pub(crate) async fn admin(&self, path: &str) -> Answer {
        self.send(Request::get(format!("http://{}{path}", self.admin)).body(Body::empty()).unwrap())
            .await
    }

    /// Any request, answered with its whole body.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (head, body) = self.client.request(request).await.unwrap().into_parts();
        let body = to_bytes(Body::new(body), 1 << 20).await.unwrap();
        Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// A request whose answer is read piece by piece.
    pub(crate) async fn open(&self, path: &str, bearer: &str) -> Body {
        let request = Request::get(format!("http://{}{path}", self.data));
        self.stream(request.header(header::AUTHORIZATION, bearer).body(Body::empty()).unwrap())
            .await
    }

    /// The body of a good answer, before it has ended.
    pub(crate) async fn stream(&self, request: Request<Body>) -> Body {
        let response = self.client.request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Body::new(response.into_body())
    }

    /// What the kubelet does at the end; returns when the sidecar has ended.
    pub(crate) async fn terminate(self) {
        self.trigger.drain();
        self.serving.await.unwrap();
    }
}
