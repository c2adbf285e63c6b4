//! `spawner check`: an installation tried from within the cluster. `helm test` runs it twice: as
//! somebody who may create users' pods, with a look at the way in, and as somebody who may not.

use std::{fmt, io::Write as _, path::PathBuf, time::Duration};

use contract::{UserId, pod::AUTH_SIDECAR};
use edge::{
    args::LogArgs,
    client::Fetcher,
    program::{Chain, Failure},
};
use http::{StatusCode, header};
use kube::Client;

use crate::{
    cli::TemplateArgs,
    cluster::{Cluster, Refusal},
    login::{
        PublicUrl, discover, public_url, reached_at,
        routes::{CALLBACK, LOGIN},
    },
    metrics::Metrics,
    render::Objects,
};

/// The longest wait for the spawner's answer, which asks the issuer first.
const TIMEOUT: Duration = Duration::from_secs(15);
/// What the policy names in a denial: the right that is missing.
const MISSING_RIGHT: &str = "verb 'use'";

/// What to try.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The namespace of the users' pods
    #[arg(long, env = "TENANT_NAMESPACE", value_name = "NAME")]
    namespace: String,

    #[command(flatten)]
    templates: TemplateArgs,

    /// Whose pod is tried; nobody's, by default
    #[arg(
        long,
        env = "CHECK_USER",
        value_name = "UUID",
        default_value = "00000000-0000-4000-8000-000000000000"
    )]
    user: UserId,

    /// What has to become of the pod, as created by whoever runs this
    #[arg(long, env = "CHECK_EXPECT", value_enum, default_value_t)]
    expect: Expected,

    /// Where the spawner answers within the cluster: its way in is tried
    #[arg(long, env = "SPAWNER_URL", value_name = "URL")]
    spawner: Option<String>,

    /// The address that people open: the login is tried
    #[arg(long, env = "PUBLIC_URL", value_name = "URL", value_parser = public_url, requires = "spawner", requires = "issuer")]
    public_url: Option<PublicUrl>,

    /// The issuer: its discovery document is read
    #[arg(long, env = "OIDC_ISSUER", value_name = "URL")]
    issuer: Option<String>,

    /// Where it answers within the cluster, when its public address does not
    #[arg(long = "internal-issuer", env = "OIDC_INTERNAL_ISSUER_URL", value_name = "URL")]
    internal_issuer: Option<String>,

    /// PEM file of CA certificates to trust besides the public ones
    #[arg(long, env = "OIDC_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// How the program logs
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// What has to become of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Expected {
    /// It is let in, with its auth sidecar.
    #[default]
    Admitted,
    /// It is refused, for want of the right to create that user's pods.
    Refused,
}

/// What was tried, and what came of it.
#[derive(Debug)]
pub struct Finding {
    what: &'static str,
    found: Result<String, String>,
}

/// Some of it does not hold.
#[derive(Debug, thiserror::Error)]
#[error("{0} of {1} checks failed")]
struct Failed(usize, usize);

/// Tries it and says on standard output what was found.
pub(crate) async fn check(args: CheckArgs) -> Result<(), Failure> {
    let objects = args
        .templates
        .blueprint()
        .map_err(Failure::config)?
        .render(&args.user)
        .map_err(Failure::config)?;
    let kube = kube::Config::infer().await.map_err(Failure::config)?;
    let client = Client::try_from(kube).map_err(Failure::config)?;
    let cluster = Cluster::new(client, &args.namespace, Metrics::default());
    let fetcher = Fetcher::new(args.ca_file.as_deref()).map_err(Failure::config)?;
    let findings = args.findings(&cluster, &fetcher, &objects).await;
    let lines: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    std::io::stdout().write_all(lines.as_bytes()).map_err(Failure::runtime)?;
    let failed = findings.iter().filter(|finding| finding.found.is_err()).count();
    if failed == 0 { Ok(()) } else { Err(Failure::runtime(Failed(failed, findings.len()))) }
}

impl CheckArgs {
    /// All that is to be tried, one after the other.
    pub async fn findings(
        &self,
        cluster: &Cluster,
        fetcher: &Fetcher,
        objects: &Objects,
    ) -> Vec<Finding> {
        let mut findings = vec![Finding {
            what: match self.expect {
                Expected::Admitted => "who may create a user's pod gets it, with its sidecar",
                Expected::Refused => "who may not create a user's pod does not get it",
            },
            found: self.admission(cluster, objects).await,
        }];
        if let Some(issuer) = &self.issuer {
            let found = self.discovery(fetcher, issuer).await;
            findings.push(Finding { what: "the issuer's discovery document", found });
        }
        if let Some(spawner) = &self.spawner {
            let found = self.way_in(fetcher, spawner).await;
            findings.push(Finding { what: "the way in", found });
        }
        findings
    }

    async fn admission(&self, cluster: &Cluster, objects: &Objects) -> Result<String, String> {
        let tried = cluster.try_pod(&objects.pod).await;
        let name = contract::object::pod(&self.user);
        match (tried, self.expect) {
            (Ok(pod), Expected::Admitted) => {
                let starting = pod.spec.and_then(|spec| spec.init_containers).unwrap_or_default();
                if starting.iter().any(|container| container.name == AUTH_SIDECAR) {
                    Ok(format!("{name} is let in by all that is asked, and injected"))
                } else {
                    Err(format!("{name} is let in without {AUTH_SIDECAR}: is the webhook asked?"))
                }
            }
            (Ok(_), Expected::Refused) => {
                Err(format!("{name} is let in: whoever may create pods could take a user's key"))
            }
            (Err(fault), Expected::Refused)
                if fault.refusal() == Refusal::Admission
                    && fault.to_string().contains(MISSING_RIGHT) =>
            {
                Ok(format!("{name} is refused: the creator lacks the {MISSING_RIGHT}"))
            }
            (Err(fault), _) => Err(fault.to_string()),
        }
    }

    async fn discovery(&self, fetcher: &Fetcher, issuer: &str) -> Result<String, String> {
        let internal = self.internal_issuer.clone().unwrap_or_else(|| reached_at(issuer));
        let found =
            discover(fetcher, issuer, &internal).await.map_err(|error| error.to_string())?;
        Ok(format!("people sign in at {}", found.authorization_endpoint))
    }

    /// Asks as a browser would that comes by the public address.
    async fn way_in(&self, fetcher: &Fetcher, spawner: &str) -> Result<String, String> {
        let spawner = spawner.trim_end_matches('/');
        let Some(public) = &self.public_url else {
            let url = format!("{spawner}/-/api/v1/openapi.json");
            let head = fetcher.get_head(&url, None, TIMEOUT).await;
            return match head.map_err(|error| Chain(&error).to_string())?.status {
                StatusCode::OK => Ok("the API describes itself; nobody signs in here".to_owned()),
                status => Err(format!("{url} answers {status}, not 200")),
            };
        };
        let url = format!("{spawner}{LOGIN}");
        let head = fetcher.get_head(&url, Some(public.authority()), TIMEOUT).await;
        let head = head.map_err(|error| Chain(&error).to_string())?;
        let location = head.headers.get(header::LOCATION).and_then(|to| to.to_str().ok());
        let callback = format!("{}{CALLBACK}", public.origin());
        let callback: String = form_urlencoded::byte_serialize(callback.as_bytes()).collect();
        match location {
            Some(to) if head.status == StatusCode::FOUND && to.contains(&callback) => {
                let page = to.split('?').next().unwrap_or_default();
                Ok(format!("the login page is {page}, and leads back to {}", public.origin()))
            }
            _ => Err(format!("{url} answers {} and leads to no login page", head.status)),
        }
    }
}

impl Finding {
    /// Whether it is as it has to be.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.found.is_ok()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, found } = self;
        match found {
            Ok(detail) => write!(f, "ok    {what}: {detail}"),
            Err(detail) => write!(f, "FAIL  {what}: {detail}"),
        }
    }
}
