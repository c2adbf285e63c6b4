//! Keys over their life: first fetch, rotation, outage. The issuer is a server on loopback, and
//! time is the test's where it matters.

use clap::Parser;
use serde_json::{Value, json};

use super::*;
use crate::{
    oidc::testing::{ALICE, AUDIENCE, Idp, IdpServer, claims, logout_claims},
    readiness::Readiness,
};

#[derive(Debug, Parser)]
struct Program {
    #[command(flatten)]
    oidc: OidcArgs,
}

struct Fixture {
    verifier: Arc<Verifier>,
    readiness: Readiness,
    issuer: String,
}

impl Fixture {
    fn start(issuer: &str, more: &[&str]) -> Result<Self, ConfigError> {
        let flags = ["program", "--issuer", issuer, "--audience", AUDIENCE];
        let args = Program::try_parse_from(flags.iter().chain(more)).unwrap().oidc;
        let readiness = Readiness::new();
        let (_, shutdown) = Shutdown::manual();
        let verifier = Verifier::start(args, readiness.gate("keys"), shutdown)?;
        Ok(Self { verifier, readiness, issuer: issuer.to_owned() })
    }

    async fn verdict(&self, idp: &Idp) -> Result<(), Rejection> {
        let token = idp.token(&claims(&self.issuer, ALICE, UnixTime::now()));
        self.verifier.verify(&Token::from_text(&token)?).await.map(|verified| {
            assert_eq!(verified.user.as_str(), ALICE);
        })
    }

    fn metrics(&self) -> String {
        let mut registry = Registry::default();
        self.verifier.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }
}

fn both(old: &Idp, new: &Idp) -> Value {
    json!({"keys": [old.jwk(), new.jwk()]})
}

#[tokio::test]
async fn keys_are_found_by_discovery() {
    let idp = Idp::shared();
    let server = IdpServer::start(Some(idp.jwks())).await;
    let fixture = Fixture::start(&server.issuer, &[]).unwrap();
    assert_eq!(fixture.readiness.snapshot().to_string(), "keys: starting\n");
    assert_eq!(fixture.verdict(idp).await, Ok(()));
    assert!(fixture.readiness.snapshot().is_ready());
    let metrics = fixture.metrics();
    assert!(metrics.contains("openclaw_jwks_fetch_total{result=\"ok\"} 1"), "{metrics}");
    assert!(metrics.contains("jwks_age_seconds 0."), "{metrics}");
}

#[tokio::test]
async fn keys_at_a_url_of_their_own_need_no_discovery() {
    let idp = Idp::shared();
    let server = IdpServer::start(Some(idp.jwks())).await;
    let certs = format!("{}/certs", server.issuer);
    let fixture =
        Fixture::start("https://id.invalid/realms/acme", &["--jwks-url", &certs]).unwrap();
    assert_eq!(fixture.verdict(idp).await, Ok(()));
}

#[tokio::test]
async fn a_new_key_is_fetched_when_its_first_token_comes() {
    let (old, new) = (Idp::shared(), Idp::new("new-"));
    let server = IdpServer::start(Some(old.jwks())).await;
    let fixture = Fixture::start(&server.issuer, &[]).unwrap();
    assert_eq!(fixture.verdict(old).await, Ok(()));
    server.set(Some(both(old, &new)));
    // Many at once share one fetch.
    let verdicts = futures::future::join_all((0..50).map(|_| fixture.verdict(&new))).await;
    assert!(verdicts.iter().all(Result::is_ok), "{verdicts:?}");
    assert_eq!(server.fetched(), 2);
    assert_eq!(fixture.verdict(old).await, Ok(()));
}

#[tokio::test]
async fn a_fetch_that_began_before_the_rotation_is_not_the_last_word() {
    let (old, new, stranger) = (Idp::shared(), Idp::new("new-"), Idp::new("made-up-"));
    let server = IdpServer::start(Some(old.jwks())).await;
    let fixture = Fixture::start(&server.issuer, &[]).unwrap();
    assert_eq!(fixture.verdict(old).await, Ok(()));
    let held = server.hold().await;
    let rotation = async {
        while server.fetched() < 2 {
            tokio::task::yield_now().await;
        }
        server.set(Some(both(old, &new)));
        let mut verdict = std::pin::pin!(fixture.verdict(&new));
        assert!(futures::poll!(&mut verdict).is_pending(), "it joins the fetch of the stranger");
        drop(held);
        verdict.await
    };
    let verdicts = futures::join!(fixture.verdict(&stranger), rotation);
    assert_eq!(verdicts, (Err(Rejection::UnknownKey), Ok(())));
}

#[tokio::test]
async fn made_up_key_ids_are_rationed() {
    let (known, stranger) = (Idp::shared(), Idp::new("made-up-"));
    let server = IdpServer::start(Some(known.jwks())).await;
    let fixture = Fixture::start(&server.issuer, &[]).unwrap();
    assert_eq!(fixture.verdict(known).await, Ok(()));
    for _ in 0..20 {
        assert_eq!(fixture.verdict(&stranger).await, Err(Rejection::UnknownKey));
    }
    assert_eq!(server.fetched(), 3, "the first one and a burst of two");
}

#[tokio::test]
async fn a_bad_signature_under_a_known_key_fetches_nothing() {
    let (known, stranger) = (Idp::shared(), Idp::new(""));
    let server = IdpServer::start(Some(known.jwks())).await;
    let fixture = Fixture::start(&server.issuer, &[]).unwrap();
    assert_eq!(fixture.verdict(known).await, Ok(()));
    assert_eq!(fixture.verdict(&stranger).await, Err(Rejection::BadSignature));
    assert_eq!(server.fetched(), 1);
}

#[tokio::test]
async fn without_the_issuer_there_is_no_verdict_and_readiness_says_why() {
    let idp = Idp::shared();
    let server = IdpServer::start(None).await;
    let fixture = Fixture::start(&server.issuer, &[]).unwrap();
    assert_eq!(fixture.verdict(idp).await, Err(Rejection::KeysUnavailable));
    let reason = fixture.readiness.snapshot().to_string();
    assert!(reason.contains("502 Bad Gateway") && reason.contains("/certs"), "{reason}");
    // It comes up, and the next request has the keys fetched.
    server.set(Some(idp.jwks()));
    assert_eq!(fixture.verdict(idp).await, Ok(()));
    assert!(fixture.readiness.snapshot().is_ready());
}

#[tokio::test]
async fn known_keys_stay_in_use_through_an_outage() {
    let (known, stranger) = (Idp::shared(), Idp::new("made-up-"));
    let server = IdpServer::start(Some(known.jwks())).await;
    let fixture = Fixture::start(&server.issuer, &[]).unwrap();
    assert_eq!(fixture.verdict(known).await, Ok(()));
    for outage in [None, Some(json!({"keys": []})), Some(json!("maintenance"))] {
        server.set(outage);
        fixture.verifier.store.refresh().await;
        assert_eq!(fixture.verdict(known).await, Ok(()));
    }
    assert_eq!(fixture.verdict(&stranger).await, Err(Rejection::UnknownKey));
    assert!(fixture.readiness.snapshot().is_ready());
    assert!(fixture.metrics().contains("result=\"failed\""));
}

#[tokio::test]
async fn a_removed_key_is_refused_once_the_keys_are_renewed() {
    let (old, new) = (Idp::shared(), Idp::new("new-"));
    let server = IdpServer::start(Some(both(old, &new))).await;
    let fixture = Fixture::start(&server.issuer, &[]).unwrap();
    assert_eq!(fixture.verdict(old).await, Ok(()));
    server.set(Some(json!({"keys": [new.jwk()]})));
    fixture.verifier.store.refresh().await;
    assert_eq!(fixture.verdict(old).await, Err(Rejection::UnknownKey));
    assert_eq!(fixture.verdict(&new).await, Ok(()));
}

#[tokio::test]
async fn a_key_file_needs_no_issuer_and_is_checked_at_once() {
    let idp = Idp::shared();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let flags = ["--jwks-file", file.to_str().unwrap()];
    let start = || Fixture::start("https://id.invalid", &flags);
    let error = |outcome: Result<Fixture, ConfigError>| {
        crate::program::Chain(&outcome.err().unwrap()).to_string()
    };
    assert!(error(start()).starts_with("--jwks-file: cannot read"), "{}", error(start()));
    std::fs::write(&file, "{}").unwrap();
    assert!(error(start()).contains("no array `keys`"), "{}", error(start()));
    std::fs::write(&file, idp.jwks().to_string()).unwrap();
    let fixture = start().unwrap();
    assert!(fixture.readiness.snapshot().is_ready());
    assert_eq!(fixture.verdict(idp).await, Ok(()));
    // A new file is read when a token needs it.
    let new = Idp::new("new-");
    std::fs::write(&file, new.jwks().to_string()).unwrap();
    assert_eq!(fixture.verdict(&new).await, Ok(()));
}

#[tokio::test]
async fn a_logout_token_is_verified_with_the_same_keys() {
    let (old, new) = (Idp::shared(), Idp::new("new-"));
    let server = IdpServer::start(Some(old.jwks())).await;
    let fixture = Fixture::start(&server.issuer, &[]).unwrap();
    let outcome = async |idp: &Idp, client: &str| {
        let claims = logout_claims(&fixture.issuer, ALICE, UnixTime::now());
        let token = Token::from_text(&idp.token(&claims)).unwrap();
        fixture.verifier.verify_logout(&token, client).await.map(|logout| logout.session)
    };
    let session = Ok(Some("c2b1a5d2".to_owned()));
    assert_eq!(outcome(old, AUDIENCE).await, session);
    server.set(Some(both(old, &new)));
    assert_eq!(outcome(&new, AUDIENCE).await, session, "a new key is fetched for it too");
    let other = LogoutRejection::Token(Rejection::OtherAudience);
    assert_eq!(outcome(old, "another-client").await, Err(other));
}

#[tokio::test(start_paused = true)]
async fn keys_are_renewed_before_they_are_as_old_as_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, Idp::shared().jwks().to_string()).unwrap();
    let store = Arc::new(KeyStore::new(Duration::from_secs(86_400)));
    let gate = Readiness::new().gate("keys");
    let renewing = Arc::clone(&store);
    let hundred = Duration::from_secs(100);
    tokio::spawn(async move { renewing.keep_fresh(Source::File(file), hundred, gate).await });
    let mut seen = None;
    for (secs, renewed) in [(1, true), (70, false), (18, true), (50, false), (40, true)] {
        tokio::time::sleep(Duration::from_secs(secs)).await;
        let loaded = store.current().unwrap();
        let is_new = !seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &loaded));
        assert_eq!(is_new, renewed, "after {secs} s more");
        seen = Some(loaded);
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_given_up_when_an_outage_outlasts_them() {
    let day = std::time::Duration::from_secs(24 * 60 * 60);
    let store = KeyStore::new(day);
    assert!(store.current().is_none());
    store.put(KeySet::parse(Idp::shared().jwks().to_string().as_bytes()).unwrap());
    tokio::time::advance(day).await;
    assert!(store.current().is_some());
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    assert!(store.current().is_none());
}
