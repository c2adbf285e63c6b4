//! A running spawner with everything around it, and words to use it with.

mod objects;
mod rules;

use std::{net::SocketAddr, sync::Mutex, time::Duration};

use axum::{Router, body::Body};
use edge::{
    oidc::{
        Role, UnixTime,
        testing::{ALICE, Idp, claims},
    },
    program::install_crypto_provider,
    readiness::Readiness,
    serve::{Limits, Listener, serve},
    shutdown::{Shutdown, Trigger},
};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::Value;
use spawner::{
    app::router,
    metrics::Metrics,
    reap::Policy,
    servers::ServerLimitArgs,
    setup::Setup,
    watch::{Follower, Pods, Snapshot},
};
use tokio::{task::JoinHandle, time::timeout};

use crate::{
    api_server::{ApiServer, NAMESPACE},
    issuer::Issuer,
    sidecar,
};

pub(crate) use self::objects::{
    HOME, POD, POLICY, alice, alices_pod, blueprint, home_of, pod_name, pod_of, ready,
};
pub(crate) use self::rules::{Rules, awake};
use self::rules::{login, verifier};

/// The public address.
pub(crate) const ORIGIN: &str = "https://agents.example";
/// The control address.
pub(crate) const CONTROL: &str = "https://control.example";
pub(crate) const ISSUER: &str = "https://id.example/realms/acme";

/// An answer that takes longer will not come: every wait in these tests is for something that the
/// test itself does.
pub(crate) const HANGS: Duration = Duration::from_secs(90);

/// A running spawner and its surroundings. All ends with the value.
pub(crate) struct House {
    pub(crate) api: ApiServer,
    /// While it runs.
    kube_server: Mutex<Option<Served>>,
    pub(crate) pods: Pods,
    pub(crate) metrics: Metrics,
    pub(crate) address: SocketAddr,
    /// Where the API server is.
    pub(crate) kube: SocketAddr,
    pub(crate) trigger: Trigger,
    /// Ends when everything that was accepted has.
    served: JoinHandle<()>,
    issuer: Option<Issuer>,
    /// Begins the end of what runs in the background.
    pub(crate) stop: Trigger,
    client: Http,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl House {
    /// Everything runs, and the spawner knows the pods.
    pub(crate) async fn open() -> Self {
        let house = Self::with(ApiServer::new(), sidecar::router()).await;
        house.pods.completed().await;
        house
    }

    /// Everything runs, with this API server and this sidecar.
    pub(crate) async fn with(api: ApiServer, sidecar: Router) -> Self {
        Self::at_sidecar(api, start(sidecar).await.0.port()).await
    }

    /// Everything runs, with a sidecar on this port of loopback.
    pub(crate) async fn at_sidecar(api: ApiServer, sidecar_port: u16) -> Self {
        Self::build(api, sidecar_port, None).await
    }

    /// Everything runs, workspaces sleep by these rules, and the spawner knows the pods.
    pub(crate) async fn sleeping(api: ApiServer, sidecar: Router, sleep: Policy) -> Self {
        let sidecar = start(sidecar).await.0.port();
        let rules = Rules { sleep, ..Rules::default() };
        let house = Self::build_with(api, sidecar, None, rules).await;
        house.pods.completed().await;
        house
    }

    /// Everything runs with these limits, and the spawner knows the pods.
    pub(crate) async fn limited(api: ApiServer, limits: ServerLimitArgs) -> Self {
        Self::ruled(api, Rules { limits, ..Rules::default() }).await
    }

    /// Everything runs by these rules, and the spawner knows the pods.
    pub(crate) async fn ruled(api: ApiServer, rules: Rules) -> Self {
        let sidecar = start(sidecar::router()).await.0.port();
        let house = Self::build_with(api, sidecar, None, rules).await;
        house.pods.completed().await;
        house
    }

    /// Everything runs with this API server, and the spawner knows the pods.
    pub(crate) async fn with_api(api: ApiServer) -> Self {
        Self::ruled(api, Rules::default()).await
    }

    /// Everything runs, and people sign in at an issuer.
    pub(crate) async fn with_login() -> Self {
        Self::replica(ApiServer::new(), Self::new_issuer().await).await
    }

    /// The same with this sidecar.
    pub(crate) async fn with_login_and(sidecar: Router) -> Self {
        let (sidecar, _) = start(sidecar).await;
        let issuer = Self::new_issuer().await;
        let house = Self::build(ApiServer::new(), sidecar.port(), Some(issuer)).await;
        house.pods.completed().await;
        house
    }

    /// The same beside others, with their API server and their issuer.
    pub(crate) async fn replica(api: ApiServer, issuer: Issuer) -> Self {
        let (sidecar, _) = start(sidecar::router()).await;
        let house = Self::build(api, sidecar.port(), Some(issuer)).await;
        house.pods.completed().await;
        house
    }

    /// People sign in by these rules.
    pub(crate) async fn with_login_by(api: ApiServer, rules: Rules) -> Self {
        let sidecar = start(sidecar::router()).await.0.port();
        let house = Self::build_with(api, sidecar, Some(Self::new_issuer().await), rules).await;
        house.pods.completed().await;
        house
    }

    /// An issuer that runs.
    pub(crate) async fn new_issuer() -> Issuer {
        let listener = Listener::bind(([127, 0, 0, 1], 0).into(), "issuer").await.unwrap();
        let issuer = Issuer::at(format!("http://{}/realms/acme", listener.local_addr()));
        let (_, shutdown) = Shutdown::manual();
        tokio::spawn(serve(listener, None, issuer.router(), Limits::default(), shutdown));
        issuer
    }

    async fn build(api: ApiServer, sidecar_port: u16, issuer: Option<Issuer>) -> Self {
        Self::build_with(api, sidecar_port, issuer, Rules::default()).await
    }

    async fn build_with(
        api: ApiServer,
        sidecar_port: u16,
        issuer: Option<Issuer>,
        rules: Rules,
    ) -> Self {
        let Rules { sleep, limits, start_timeout, drain, control_url, homes } = rules;
        install_crypto_provider();
        let kube_server = start_with(api.router(), Limits::default()).await;
        let kube_address = kube_server.0;
        let kube = format!("http://{kube_address}").parse().unwrap();
        let (readiness, metrics) = (Readiness::new(), Metrics::default());
        let url = issuer.as_ref().map_or(ISSUER, |issuer| issuer.url.as_str());
        let setup = Setup {
            kube: kube::Config::new(kube),
            namespace: NAMESPACE.to_owned(),
            blueprint: blueprint(homes),
            verifier: verifier(&readiness, url),
            sidecar_port,
            sidecar_admin_port: sidecar_port,
            sleep,
            reap_interval: Duration::from_millis(50),
            limits,
            operator: Role {
                claim: "realm_access.roles".parse().unwrap(),
                name: "openclaw-operator".to_owned(),
            },
            start_timeout,
            max_held: 100,
            metrics: metrics.clone(),
            gate: readiness.gate("pods"),
            shared_gateway: None,
            login: issuer.as_ref().map(|_| login(&readiness, control_url)),
        };
        let (app, background) = setup.build().unwrap();
        let pods = app.pods.clone();
        let (stop, shutdown) = Shutdown::manual();
        tokio::spawn(background.run(shutdown));
        if issuer.is_some() {
            while !readiness.snapshot().is_ready() {
                tokio::task::yield_now().await;
            }
        }
        let limits = Limits { drain, ..Limits::default() };
        let (address, trigger, served) = start_with(router(app), limits).await;
        let client = Client::builder(TokioExecutor::new()).build_http();
        let (kube, kube_server) = (kube_address, Mutex::new(Some(kube_server)));
        Self {
            api,
            kube,
            kube_server,
            pods,
            metrics,
            address,
            trigger,
            served,
            issuer,
            stop,
            client,
        }
    }

    /// The API server goes down.
    pub(crate) async fn stop_api(&self) {
        let (_, trigger, served) = self.kube_server.lock().unwrap().take().unwrap();
        trigger.abort();
        served.await.unwrap();
    }

    /// It comes up again with what it knew.
    pub(crate) async fn start_api(&self) {
        let served = start_at(self.kube, self.api.router(), Limits::default()).await;
        *self.kube_server.lock().unwrap() = Some(served);
    }

    /// It was drained, and has ended.
    pub(crate) async fn has_ended(&self) {
        while !self.served.is_finished() {
            tokio::task::yield_now().await;
        }
    }

    /// Where people sign in.
    pub(crate) fn issuer(&self) -> &Issuer {
        self.issuer.as_ref().unwrap()
    }

    /// Asks as alice.
    pub(crate) async fn ask(&self, method: Method, path: &str) -> Answer {
        self.ask_with(method, path, &[("authorization", &bearer(ALICE))], "").await
    }

    /// Asks as whoever the headers say.
    pub(crate) async fn ask_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        send(&self.client, self.address, method, path, headers, body).await
    }

    /// Opens the sidecar's endless stream with these cookies.
    pub(crate) async fn open_stream(&self, cookies: &str) -> hyper::body::Incoming {
        let request = Request::get(format!("http://{}/stream", self.address))
            .header("host", ORIGIN.trim_start_matches("https://"))
            .header("cookie", cookies)
            .body(Body::empty());
        let answer = self.client.request(request.unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.into_body()
    }

    /// The kubelet says that alice's pod is ready, on loopback.
    pub(crate) fn get_ready(&self) {
        self.api.set_status(&pod_name(), ready());
    }

    /// Alice's pod is there and ready, and the spawner knows it.
    pub(crate) async fn with_alices_pod(&self) {
        self.api.put(alices_pod(ready()));
        self.until("Ready").await;
    }

    /// The spawner knows that alice's server is in this state.
    pub(crate) async fn until(&self, state: &str) {
        self.until_of(ALICE, state).await;
    }

    /// The same about another user's.
    pub(crate) async fn until_of(&self, user: &str, state: &str) {
        let in_state = |seen: &Snapshot| seen.status().state.name() == state;
        let mut follower = self.pods.follow(&user.parse().unwrap());
        let seen = follower.until(Duration::from_secs(60), in_state).await;
        assert!(in_state(&seen), "{seen:?}");
    }

    /// Follows alice's pod.
    pub(crate) fn follow(&self) -> Follower {
        self.pods.follow(&alice())
    }

    /// A request or a progress stream of alice waits.
    pub(crate) async fn somebody_waits(&self) {
        while self.pods.follow_among(&alice(), 1).is_ok() {
            tokio::task::yield_now().await;
        }
    }
}

type Http = Client<hyper_util::client::legacy::connect::HttpConnector, Body>;

/// Asks a spawner that is no [`House`].
pub(crate) async fn send_to(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let client = Client::builder(TokioExecutor::new()).build_http();
    send(&client, address, method, path, headers, "").await
}

async fn send(
    client: &Http,
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.to_owned().into()).unwrap();
    let answer = async {
        let (head, body) = client.request(request).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: head.status, headers: head.headers, text }
    };
    timeout(HANGS, answer).await.unwrap_or_else(|_| panic!("no end of {path}"))
}

impl Answer {
    pub(crate) fn location(&self) -> &str {
        self.headers["location"].to_str().unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The problem's reason.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        self.json()["reason"].as_str().unwrap().to_owned()
    }
}

/// `Authorization` of this user.
pub(crate) fn bearer(user: &str) -> String {
    format!("Bearer {}", Idp::shared().token(&claims(ISSUER, user, UnixTime::now())))
}

/// Serves `router` on a free port of loopback.
async fn start(router: Router) -> (SocketAddr, Trigger) {
    let (address, trigger, _) = start_with(router, Limits::default()).await;
    (address, trigger)
}

/// Where, how it ends, and when it has.
type Served = (SocketAddr, Trigger, JoinHandle<()>);

async fn start_with(router: Router, limits: Limits) -> Served {
    start_at(([127, 0, 0, 1], 0).into(), router, limits).await
}

async fn start_at(address: SocketAddr, router: Router, limits: Limits) -> Served {
    let listener = Listener::bind(address, "test").await.unwrap();
    let address = listener.local_addr();
    let (trigger, shutdown) = Shutdown::manual();
    let served = tokio::spawn(serve(listener, None, router, limits, shutdown));
    (address, trigger, served)
}
