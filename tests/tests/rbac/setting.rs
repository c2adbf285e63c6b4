//! A release of its own, of which only the accounts and their roles are there.

use anyhow::{Context as _, Result, anyhow};
use k8s_openapi::api::{
    core::v1::{Namespace, ServiceAccount},
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
};
use kube::{Api, Client};
use serde_json::{Value, json};
use tests::{
    cluster::Cluster,
    install::{self, SYSTEM, apply},
};
use tokio::sync::OnceCell;

use crate::call::Call;

/// The release and its tenant's namespace.
const TRIAL: &str = "rbac-trial";
const ELSEWHERE: &str = "rbac-trial-elsewhere";
const USER: &str = "11111111-2222-4333-8444-555555555555";

static MADE: OnceCell<Result<Setting, String>> = OnceCell::const_new();

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    Spawner,
    Webhook,
    /// Of `helm test`, which tries what somebody without rights may do.
    Check,
}

/// One verb on one resource, and on one name where the rule has names.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    account: Account,
    call: Call,
}

#[derive(Clone, Debug)]
pub(crate) struct Setting {
    cluster: Cluster,
    objects: Vec<Value>,
}

impl Setting {
    /// Makes it once for all tests of this program.
    pub(crate) async fn made() -> Result<Self> {
        let made =
            MADE.get_or_init(|| async { make().await.map_err(|error| format!("{error:#}")) });
        made.await.clone().map_err(|error| anyhow!(error))
    }

    /// The API as RBAC decides for an account.
    pub(crate) async fn api_as(&self, account: Account) -> Result<Client> {
        let name = account.name();
        self.cluster.api_as(Some(&format!("system:serviceaccount:{SYSTEM}:{name}"))).await
    }

    /// The calls of `calls.yaml` with this verdict.
    pub(crate) fn calls(&self, verdict: &str) -> Result<Vec<(Account, Call)>> {
        let text = include_str!("calls.yaml")
            .replace("$RELEASE", &release())
            .replace("$SYSTEM", SYSTEM)
            .replace("$U1", USER);
        let all: Value = serde_norway::from_str(&text)?;
        let mut calls = Vec::new();
        for (whose, verdicts) in all.as_object().context("no calls")? {
            let (account, place) = whose.split_once(" in ").context("no place")?;
            let account = Account::named(account).with_context(|| format!("who is {account}?"))?;
            let namespace = match place {
                "tenant" => Some(TRIAL),
                "system" => Some(SYSTEM),
                "elsewhere" => Some(ELSEWHERE),
                _ => None,
            };
            for line in list(verdicts.get(verdict)) {
                let line = line.as_str().context("no call")?;
                calls.push((account, Call::read(line, namespace)?));
            }
        }
        Ok(calls)
    }

    /// All that the chart's Roles and ClusterRoles grant the accounts.
    pub(crate) fn rules(&self) -> Result<Vec<Rule>> {
        let mut rules = Vec::new();
        for binding in
            self.objects.iter().filter(|object| is(object, &["RoleBinding", "ClusterRoleBinding"]))
        {
            let subject = text(binding, "/subjects/0/name")?;
            let account = Account::ALL.into_iter().find(|a| a.name() == subject);
            let account = account.with_context(|| format!("{subject} is bound too"))?;
            let (kind, name) = (text(binding, "/roleRef/kind")?, text(binding, "/roleRef/name")?);
            let namespace = binding.pointer("/metadata/namespace").and_then(Value::as_str);
            let role = self.objects.iter().find(|object| {
                is(object, &[kind])
                    && object.pointer("/metadata/name").is_some_and(|found| found == name)
                    && object.pointer("/metadata/namespace").and_then(Value::as_str) == namespace
            });
            let role = role.with_context(|| format!("no {kind} {name}"))?;
            for rule in list(role.get("rules")) {
                rules.extend(each(rule, namespace).into_iter().map(|call| Rule { account, call }));
            }
        }
        Ok(rules)
    }
}

impl Account {
    const ALL: [Self; 3] = [Self::Spawner, Self::Webhook, Self::Check];

    fn named(name: &str) -> Option<Self> {
        match name {
            "spawner" => Some(Self::Spawner),
            "webhook" => Some(Self::Webhook),
            "check" => Some(Self::Check),
            _ => None,
        }
    }

    fn name(self) -> String {
        match self {
            Self::Spawner => format!("{}-spawner", release()),
            Self::Webhook => format!("{}-webhook", release()),
            Self::Check => format!("{}-check", release()),
        }
    }
}

impl Rule {
    /// Whether a call needs it.
    pub(crate) fn serves(&self, (account, call): &(Account, Call)) -> bool {
        let mut granted = self.call.clone();
        granted.name = granted.name.or_else(|| call.name.clone());
        self.account == *account && granted == *call
    }
}

/// A rule's combinations of group, resource, name and verb.
fn each(rule: &Value, namespace: Option<&str>) -> Vec<Call> {
    let words = |key: &str| -> Vec<String> {
        list(rule.get(key)).filter_map(|word| word.as_str().map(str::to_owned)).collect()
    };
    let names: Vec<_> = words("resourceNames").into_iter().map(Some).collect();
    let names = if names.is_empty() { vec![None] } else { names };
    let mut calls = Vec::new();
    for group in words("apiGroups") {
        for resource in words("resources") {
            for name in &names {
                for verb in words("verbs") {
                    calls.push(Call {
                        verb,
                        group: group.clone(),
                        resource: resource.clone(),
                        name: name.clone(),
                        namespace: namespace.map(str::to_owned),
                    });
                }
            }
        }
    }
    calls
}

/// The release's full name.
fn release() -> String {
    format!("{TRIAL}-bp-openclaw")
}

async fn make() -> Result<Setting> {
    let cluster = Cluster::running()?;
    let client = cluster.api().await?;
    let mut values = install::values(&cluster, "http://keycloak.example", "http://newapi.example")?;
    let all = values.as_object_mut().context("no values")?;
    all.insert("tenant".to_owned(), json!({"namespace": TRIAL}));
    let objects = install::rendered(&cluster, TRIAL, &values).await?;
    for namespace in [SYSTEM, TRIAL, ELSEWHERE] {
        let namespace = json!({"metadata": {"name": namespace}});
        apply(&Api::<Namespace>::all(client.clone()), namespace).await?;
    }
    for object in objects.clone() {
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
        let namespace = namespace.unwrap_or_default().to_owned();
        let client = client.clone();
        match object.get("kind").and_then(Value::as_str).unwrap_or_default() {
            "ServiceAccount" => {
                apply(&Api::<ServiceAccount>::namespaced(client, &namespace), object)
                    .await
                    .map(drop)
            }
            "Role" => apply(&Api::<Role>::namespaced(client, &namespace), object).await.map(drop),
            "RoleBinding" => {
                apply(&Api::<RoleBinding>::namespaced(client, &namespace), object).await.map(drop)
            }
            "ClusterRole" => apply(&Api::<ClusterRole>::all(client), object).await.map(drop),
            "ClusterRoleBinding" => {
                apply(&Api::<ClusterRoleBinding>::all(client), object).await.map(drop)
            }
            _ => Ok(()),
        }?;
    }
    let setting = Setting { cluster, objects };
    roles_hold(&setting).await?;
    Ok(setting)
}

/// The API server learns of a binding from its watch, a moment after it is stored.
async fn roles_hold(setting: &Setting) -> Result<()> {
    let limit = std::time::Duration::from_secs(30);
    for account in Account::ALL {
        let client = setting.api_as(account).await?;
        let mut last = setting.calls("allowed")?;
        last.retain(|(whose, _)| *whose == account);
        let (_, last) = last.pop().context("no calls")?;
        tests::patience::until(limit, async || last.is_allowed(&client).await).await?;
    }
    Ok(())
}

fn is(object: &Value, kinds: &[&str]) -> bool {
    object.get("kind").and_then(Value::as_str).is_some_and(|kind| kinds.contains(&kind))
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn text<'v>(value: &'v Value, pointer: &str) -> Result<&'v str> {
    value.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no {pointer}"))
}
