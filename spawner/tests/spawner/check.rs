//! `spawner check` on a spawner, an issuer and an API server that are told what to do.

use clap::Parser as _;
use edge::{client::Fetcher, oidc::testing::ALICE};
use kube::Client;
use spawner::{check::CheckArgs, cluster::Cluster, metrics::Metrics};

use crate::{
    api_server::{NAMESPACE, Next},
    house::{House, ORIGIN, alice, blueprint},
};

const DENIED: &str = "pods \"openclaw-x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding \
    'p' denied request: creating a pod of user x needs the verb 'use' on openclaw-users";
const NO_RIGHT: &str = "pods is forbidden: User \"u\" cannot create resource \"pods\"";

#[derive(clap::Parser)]
struct Program {
    #[command(flatten)]
    check: CheckArgs,
}

/// What is found with these flags: each line, and whether all is good.
async fn found(house: &House, flags: &[&str]) -> (Vec<String>, bool) {
    let fixed = ["check", "--namespace", NAMESPACE, "--template", "unread", "--user", ALICE];
    let Program { check } = Program::try_parse_from([&fixed, flags].concat()).unwrap();
    let kube = kube::Config::new(format!("http://{}", house.kube).parse().unwrap());
    let cluster = Cluster::new(Client::try_from(kube).unwrap(), NAMESPACE, Metrics::default());
    let objects = blueprint(false).render(&alice()).unwrap();
    let findings = check.findings(&cluster, &Fetcher::new(None).unwrap(), &objects).await;
    (findings.iter().map(ToString::to_string).collect(), findings.iter().all(|one| one.is_good()))
}

#[tokio::test]
async fn an_installation_that_works_is_found_good() {
    let house = House::with_login().await;
    let spawner = format!("http://{}", house.address);
    let issuer = house.issuer().url.clone();
    let flags = ["--spawner", &spawner, "--public-url", ORIGIN, "--issuer", &issuer];
    let (lines, good) = found(&house, &flags).await;
    assert!(good, "{lines:#?}");
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[2].contains(&format!("leads back to {ORIGIN}")), "{lines:#?}");
    // Without a login the API is asked.
    let house = House::open().await;
    let (lines, good) = found(&house, &["--spawner", &format!("http://{}", house.address)]).await;
    assert!(good && lines.len() == 2, "{lines:#?}");
}

#[tokio::test]
async fn a_pod_that_is_let_in_for_nobodys_good_is_told() {
    let house = House::open().await;
    let (lines, good) = found(&house, &["--expect", "refused"]).await;
    assert!(!good && lines[0].contains("could take a user's key"), "{lines:#?}");
    // For another reason is not for want of the right.
    for refusal in [NO_RIGHT, "pods is forbidden: exceeded quota: pods"] {
        house.api.next_create(Next::Refused(403, refusal));
        let (lines, good) = found(&house, &["--expect", "refused"]).await;
        assert!(!good && lines[0].contains(refusal), "{lines:#?}");
    }
    house.api.next_create(Next::Refused(403, DENIED));
    let (lines, good) = found(&house, &["--expect", "refused"]).await;
    assert!(good, "{lines:#?}");
    house.api.next_create(Next::Refused(403, DENIED));
    let (lines, good) = found(&house, &[]).await;
    assert!(!good && lines[0].contains("verb 'use'"), "{lines:#?}");
}

#[tokio::test]
async fn a_pod_without_its_sidecar_is_told() {
    let house = House::open().await;
    house.api.next_create(Next::Untouched);
    let (lines, good) = found(&house, &[]).await;
    assert!(!good && lines[0].contains("without openclaw-auth"), "{lines:#?}");
}

#[tokio::test]
async fn a_way_in_that_leads_nowhere_is_told() {
    let house = House::with_login().await;
    let (spawner, issuer) = (format!("http://{}", house.address), house.issuer().url.clone());
    let other =
        ["--spawner", &spawner, "--public-url", "https://other.example", "--issuer", &issuer];
    let (lines, good) = found(&house, &other).await;
    assert!(!good && lines[2].contains("leads to no login page"), "{lines:#?}");
    let nobody = ["--spawner", "http://127.0.0.1:1", "--issuer", "http://127.0.0.1:1/realms/acme"];
    let (lines, good) = found(&house, &nobody).await;
    assert!(!good && lines[1].starts_with("FAIL") && lines[2].starts_with("FAIL"), "{lines:#?}");
}
