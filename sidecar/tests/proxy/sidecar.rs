//! A sidecar under test, and what people do with it.

use std::net::SocketAddr;

use axum::body::{Body, to_bytes};
use clap::Parser;
use edge::{
    oidc::{
        UnixTime,
        testing::{ALICE, AUDIENCE, Idp, IdpServer, claims, with},
    },
    shutdown::{Shutdown, Trigger},
};
use http::{HeaderMap, Request, StatusCode, header};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use sidecar::proxy::{Args, Proxy};
use tokio::task::JoinHandle;

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
