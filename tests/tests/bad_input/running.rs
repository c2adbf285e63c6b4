//! What nobody should send to a running pod or to the spawner, and what should not happen to them.

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, Result};
use axum::{Router, routing::get};
use contract::{env, pod as names, secret};
use http::{HeaderName, StatusCode, header};
use k8s_openapi::api::core::v1::{ConfigMap, Container, Pod, Secret};
use kube::{Api, api::LogParams};
use serde_json::{Value, json};
use tests::{
    chat,
    door::Door,
    install, keycloak, patience,
    people::Person,
    pods::{labeled, restarts},
    process::built,
    stage::{SERVER, SignedIn, Stage},
};
use tokio::{net::TcpListener, process::Command};

/// How long something that starts by itself may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A user whom Keycloak need not know.
const USER: &str = "eeeeeeee-2222-4333-8444-555555555555";

const MEBIBYTE: usize = 1024 * 1024;

/// Frank's pod runs.
async fn franks_pod() -> Result<(Stage, SignedIn)> {
    let stage = Stage::set().await?;
    let frank = stage.sign_in("frank").await?;
    stage.start_pod_of(&frank).await?;
    Ok((stage, frank))
}

#[tokio::test]
async fn garbage_for_a_token_is_refused_everywhere() -> Result<()> {
    let (stage, frank) = franks_pod().await?;
    let good = frank.tokens.access.expose();
    let (head, _) = good.split_once('.').context("a token of three parts")?;
    for (garbage, status) in [
        ("Bearer".to_owned(), StatusCode::BAD_REQUEST),
        ("Bearer a b".to_owned(), StatusCode::BAD_REQUEST),
        ("Bearer \u{fc}".to_owned(), StatusCode::BAD_REQUEST),
        ("Basic ZnJhbms6ZnJhbmstcHc=".to_owned(), StatusCode::UNAUTHORIZED),
        (good.to_owned(), StatusCode::UNAUTHORIZED),
        ("Bearer x".to_owned(), StatusCode::UNAUTHORIZED),
        ("Bearer a.b.c".to_owned(), StatusCode::UNAUTHORIZED),
        ("Bearer ...".to_owned(), StatusCode::UNAUTHORIZED),
        (format!("Bearer {head}.e30.e30"), StatusCode::UNAUTHORIZED),
        (format!("Bearer {good}.{good}"), StatusCode::UNAUTHORIZED),
        (format!("Bearer {}", "a".repeat(20_000)), StatusCode::UNAUTHORIZED),
    ] {
        for door in [&stage.sidecar_of(&frank), &stage.spawner] {
            let call = door.get("/v1/models").header(header::AUTHORIZATION, &garbage);
            let answer = call.send().await?.expect(status).await;
            let shown: String = garbage.chars().take(20).collect();
            let text = answer.with_context(|| format!("{shown:?}"))?.text().await?;
            assert!(text.contains("\"title\""), "expected problem+json, saw {text}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn two_tokens_in_one_request_are_refused() -> Result<()> {
    let (stage, frank) = franks_pod().await?;
    let token = &frank.tokens.access;
    for door in [&stage.sidecar_of(&frank), &stage.spawner] {
        let call = door.get("/v1/models").bearer(token).bearer(token);
        call.send().await?.expect(StatusCode::BAD_REQUEST).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_huge_header_is_refused_and_the_door_stays_open() -> Result<()> {
    let (stage, frank) = franks_pod().await?;
    let before = restarts(&stage.pods.named(&frank.pod).await?);
    for door in [&stage.sidecar_of(&frank), &stage.spawner] {
        let with_header =
            |length| format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(length));
        let answer = door.say(with_header(40 * 1024).as_bytes()).await?;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{door}: {answer:?}");
        // The answer to this one may be lost: the server closes while we are still talking.
        let answer = door.say(with_header(MEBIBYTE).as_bytes()).await?;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{door}: {answer:?}");
        let call = door.get("/v1/models").bearer(&frank.tokens.access);
        // A header that is only large is none of our business.
        let call = call.header(HeaderName::from_static("x-large"), "x".repeat(8 * 1024));
        call.send().await?.expect(StatusCode::OK).await?;
    }
    assert_eq!(restarts(&stage.pods.named(&frank.pod).await?), before);
    Ok(())
}

/// A real sidecar whose keys cannot be had at first: it says so, and opens by itself.
#[tokio::test]
async fn without_keycloak_the_sidecar_says_503_and_opens_when_it_comes() -> Result<()> {
    let stage = Stage::set().await?;
    let frank = stage.sign_in("frank").await?;
    let upstream =
        listen("127.0.0.1:0", Router::new().fallback(|| async { "the runtime" })).await?;
    let [data, admin, keys] = [free_port().await?, free_port().await?, free_port().await?];
    let mut sidecar = Command::new(built("sidecar")?);
    sidecar
        .arg("proxy")
        .args(["--listen", &data, "--admin-listen", &admin])
        .arg(format!("--upstream=http://{upstream}"))
        .arg(format!("--issuer={}", stage.keycloak.issuer()))
        .arg(format!("--jwks-url=http://{keys}/"))
        .args(["--audience", keycloak::CLIENT, "--user", frank.person.id.as_str()])
        .args(["--gateway-auth", "none"]);
    let quiet = sidecar.stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = quiet.kill_on_drop(true).spawn()?;
    let (door, admin) = (Door::at("the sidecar", &data), Door::at("its admin port", &admin));
    let alive = || async { Ok(admin.get("/livez").send().await.is_ok()) };
    patience::until(PATIENCE, alive).await.context("the sidecar does not start")?;
    let ask = || door.get("/").bearer(&frank.tokens.access).send();
    let answer = ask().await?.expect(StatusCode::SERVICE_UNAVAILABLE).await?;
    assert!(answer.headers.contains_key(header::RETRY_AFTER), "{:?}", answer.headers);
    admin.get("/readyz").send().await?.expect(StatusCode::SERVICE_UNAVAILABLE).await?;
    assert!(running.try_wait()?.is_none(), "it goes on waiting");

    let jwks = stage.keycloak.keys().await?;
    listen(&keys, Router::new().route("/", get(|| async { jwks }))).await?;
    let opened = || async { Ok(ask().await?.status == StatusCode::OK) };
    patience::until(PATIENCE, opened).await.context("the sidecar does not open")?;
    admin.get("/readyz").send().await?.expect(StatusCode::OK).await?;
    Ok(())
}

async fn listen(address: &str, router: Router) -> Result<String> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?.to_string();
    tokio::spawn(axum::serve(listener, router).into_future());
    Ok(address)
}

/// An address on which nobody listens: it was free a moment ago.
async fn free_port() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0").await?.local_addr()?.to_string())
}

#[tokio::test]
async fn a_missing_key_is_named_and_the_pod_starts_when_it_comes() -> Result<()> {
    let stage = Stage::set().await?;
    let erin = stage.sign_in("erin").await?;
    stage.pods.remove(&erin.pod).await?;
    install::take_key(&stage.kube, &erin.person).await?;
    let start = stage.spawner.post(SERVER).bearer(&erin.tokens.access).send().await?;
    start.expect(StatusCode::ACCEPTED).await?;
    stage.pods.waiting_for(&erin.pod, "CreateContainerConfigError").await?;
    let named = || async {
        let server = stage.spawner.get(SERVER).bearer(&erin.tokens.access).send().await?;
        let server: Value = server.expect(StatusCode::OK).await?.json().await?;
        let message = server.get("message").and_then(Value::as_str).unwrap_or_default();
        let secret = secret::newapi_key(&erin.person.id);
        Ok(server.get("reason") == Some(&json!("missing_secret")) && message.contains(&secret))
    };
    patience::until(PATIENCE, named).await.context("the spawner does not name the Secret")?;
    install::give_key(&stage.kube, &erin.person, &stage.new_api).await?;
    let pod = stage.pods.ready(&erin.pod).await?;
    assert!(restarts(&pod).values().all(|count| *count == 0), "{:?}", restarts(&pod));
    let question = chat::question("m", "hi");
    chat::ask(&stage.spawner, &erin.tokens.access, &question).await?.rest().await?;
    Ok(())
}

/// A home of one page: what is in it fills it, and there is no room for a new file beside the old one.
#[tokio::test]
async fn a_full_home_ends_token_sync_with_words_and_not_the_runtime() -> Result<()> {
    let stage = Stage::set().await?;
    let (name, pods) = ("full-home", stage.pods.api());
    stage.pods.remove(name).await?;
    let configs: Api<ConfigMap> = Api::namespaced(stage.kube.clone(), install::TENANT);
    let seed = json!({"metadata": {"name": name}, "data": {names::SEED_KEY: "{}"}});
    install::apply(&configs, seed).await?;
    let nobody = Person { name: "nobody".to_owned(), id: USER.parse()? };
    install::give_key(&stage.kube, &nobody, &stage.new_api).await?;
    let gateway = json!({"metadata": {"name": secret::gateway(&nobody.id)},
        "stringData": {secret::GATEWAY_TOKEN_KEY: "the-next-one"}});
    install::apply(&Api::<Secret>::namespaced(stage.kube.clone(), install::TENANT), gateway)
        .await?;
    stage.pods.create(&pod_with_full_home(name, &stage)?).await?;
    let ended = stage.pods.init_ended(name, names::TOKEN_SYNC).await?;
    assert_ne!(ended.exit_code, 0);
    let params =
        LogParams { container: Some(names::TOKEN_SYNC.to_owned()), ..LogParams::default() };
    let said = pods.logs(name, &params).await?;
    assert!(said.contains("the volume is full"), "{said}");
    let pod = stage.pods.named(name).await?;
    let started = restarts(&pod).values().sum::<i32>();
    assert_eq!(started, 0, "with restartPolicy Never it ends there: {:?}", restarts(&pod));
    stage.pods.remove(name).await
}

fn pod_with_full_home(name: &str, stage: &Stage) -> Result<Pod> {
    let mut pod = labeled(name, USER)?;
    let spec = pod.spec.as_mut().context("a spec")?;
    spec.restart_policy = Some("Never".to_owned());
    let main = spec.containers.first().context("a container")?;
    // token-sync itself puts the first file there.
    let seeding = ["token-sync", "--config", names::CONFIG_PATH, "--seed", "/seed/openclaw.json"];
    let mut filler = json!({
        "name": "filler",
        "image": format!("{}/bp-openclaw/sidecar:{}", stage.cluster.registry, stage.cluster.image_tag),
        "args": seeding,
        "env": [{"name": env::OPENCLAW_GATEWAY_TOKEN, "value": "the-first-one"}],
        "securityContext": main.security_context,
        "volumeMounts": main.volume_mounts,
    });
    let mounts = filler.get_mut("volumeMounts").and_then(Value::as_array_mut);
    mounts.context("mounts")?.push(json!({"name": "seed", "mountPath": "/seed"}));
    let filler: Container = serde_json::from_value(filler)?;
    spec.init_containers = Some(vec![filler]);
    spec.volumes = Some(serde_json::from_value(json!([
        {"name": "home", "emptyDir": {"medium": "Memory", "sizeLimit": "4Ki"}},
        {"name": "seed", "configMap": {"name": name}},
    ]))?);
    Ok(pod)
}
