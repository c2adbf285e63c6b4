//! Where the cases play: a namespace of their own with the policies and without a webhook, the people
//! who ask, and two pods that stay Pending.

use anyhow::{Context as _, Result, anyhow};
use contract::{label, pod as names, secret};
use http::{Method, Request, header::CONTENT_TYPE};
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    core::v1::{Namespace, Pod, ServiceAccount},
    rbac::v1::{ClusterRole, Role, RoleBinding},
};
use kube::{Api, Client, api::PostParams};
use serde_json::{Value, json};
use tests::{
    admission::policies_hold,
    cluster::Cluster,
    install::{self, apply},
};
use tokio::sync::OnceCell;

/// The tenant's namespace of the cases, and the release whose policies they try.
pub(crate) const NAMESPACE: &str = "policy-cases";

const ISSUER: &str = "http://keycloak.example";
const U1: &str = "11111111-2222-4333-8444-555555555555";
const U2: &str = "22222222-2222-4333-8444-555555555555";
const REPLICASETS: &str = "system:serviceaccount:kube-system:replicaset-controller";

static MADE: OnceCell<Result<Setting, String>> = OnceCell::const_new();

/// The setting, and what the words with a dollar stand for.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    cluster: Cluster,
    words: Vec<(&'static str, String)>,
}

impl Setting {
    /// Makes it once for all tests of this program.
    pub(crate) async fn made() -> Result<Self> {
        let made =
            MADE.get_or_init(|| async { make().await.map_err(|error| format!("{error:#}")) });
        made.await.clone().map_err(|error| anyhow!(error))
    }

    /// The API as somebody of the cases.
    pub(crate) async fn api_as(&self, who: &str) -> Result<Client> {
        self.cluster.api_as((who != "admin").then_some(who)).await
    }

    /// A request with every word filled in.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: &Value,
    ) -> Result<Request<Vec<u8>>> {
        let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, kind);
        Ok(request.body(self.fill(&body.to_string()).into_bytes())?)
    }

    /// Replaces the words with a dollar.
    pub(crate) fn fill(&self, text: &str) -> String {
        let fill = |text: String, (word, value): &(&str, String)| text.replace(word, value);
        self.words.iter().fold(text.to_owned(), fill)
    }

    /// A restricted container.
    pub(crate) fn container(&self, name: &str) -> Value {
        json!({"name": name, "image": "x.test/x:1", "securityContext": {
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}})
    }

    /// The auth sidecar as the webhook would inject it, as far as the policies look.
    pub(crate) fn sidecar(&self, user: &str) -> Value {
        let mut sidecar = self.container(names::AUTH_SIDECAR);
        let user = format!("--user={user}");
        let args = [
            "proxy",
            "--listen=0.0.0.0:4180",
            "--upstream=http://127.0.0.1:18789",
            "--issuer=$ISSUER",
            "--audience=$AUDIENCE",
            &user,
            "--user-claim=sub",
            "--authorized-party=$AUDIENCE",
            "--authorized-party=cli",
            "--leeway=1m",
            "--logout-client=web",
            "--ca-file=/var/run/secrets/openclaw-ca/ca.crt",
            "--gateway-auth=token",
        ];
        lay_over(
            &mut sidecar,
            &json!({"image": "$REPO:1", "restartPolicy": "Always", "args": args}),
        );
        add_named(&mut sidecar, "volumeMounts", ca_mount());
        sidecar
    }
}

/// The sidecar's mount of the issuer's CA.
pub(crate) fn ca_mount() -> Value {
    json!({"name": names::CA_VOLUME, "mountPath": names::CA_MOUNT_PATH, "readOnly": true})
}

/// The volume behind it.
pub(crate) fn ca_volume() -> Value {
    json!({"name": names::CA_VOLUME, "configMap": {"name": "$CA"}})
}

/// Adds an item to a list of named ones, unless there is one of its name.
pub(crate) fn add_named(target: &mut Value, key: &str, item: Value) {
    let Some(target) = target.as_object_mut() else { return };
    let list = target.entry(key).or_insert_with(|| json!([]));
    if let Some(list) = list.as_array_mut()
        && !list.iter().any(|there| there.get("name") == item.get("name"))
    {
        list.push(item);
    }
}

/// Lays the fields of `over` over those of `under`; null takes one away.
pub(crate) fn lay_over(under: &mut Value, over: &Value) {
    let (Some(under), Some(over)) = (under.as_object_mut(), over.as_object()) else {
        return;
    };
    for (key, value) in over {
        if value.is_null() {
            under.remove(key);
        } else {
            under.insert(key.clone(), value.clone());
        }
    }
}

async fn make() -> Result<Setting> {
    let cluster = Cluster::running()?;
    let client = cluster.api().await?;
    let mut values = install::values(&cluster, ISSUER, "http://newapi.example")?;
    lay_over(&mut values, &json!({"tenant": {"namespace": NAMESPACE}}));
    let tokens = json!({
        "authorizedParties": [tests::keycloak::CLIENT, "cli"], "leeway": "1m", "logoutClient": "web",
        "caBundle": "-----BEGIN CERTIFICATE-----",
    });
    lay_over(values.pointer_mut("/keycloak").context("no Keycloak")?, &tokens);
    let objects = install::rendered(&cluster, NAMESPACE, &values).await?;
    let (u1, u2) = (U1.parse()?, U2.parse()?);
    let repository = values.pointer("/images/sidecar/repository").and_then(Value::as_str);
    let words = vec![
        ("$LABEL", label::USER.to_owned()),
        ("$NS", NAMESPACE.to_owned()),
        ("$REPO", repository.context("no repository of the sidecar")?.to_owned()),
        ("$ISSUER", ISSUER.to_owned()),
        ("$AUDIENCE", tests::keycloak::CLIENT.to_owned()),
        ("$CA", format!("{NAMESPACE}-bp-openclaw-ca")),
        ("$SPAWNER", spawner_account(&objects)?),
        ("$K1", secret::newapi_key(&u1)),
        ("$K2", secret::newapi_key(&u2)),
        ("$G1", secret::gateway(&u1)),
        ("$G2", secret::gateway(&u2)),
        ("$U1", U1.to_owned()),
        ("$U2", U2.to_owned()),
    ];
    let setting = Setting { cluster, words };
    for namespace in [NAMESPACE.to_owned(), format!("{NAMESPACE}-elsewhere")] {
        make_namespace(&client, &namespace).await?;
    }
    let operator = apply_policies_and_roles(&client, objects).await?;
    introduce_people(&client, &operator).await?;
    install::tenant(&client).await?;
    default_account(&client, install::TENANT).await?;
    policies_hold(&setting.cluster, &client).await?;
    make_two_pods(&setting, &client).await?;
    Ok(setting)
}

async fn make_namespace(client: &Client, name: &str) -> Result<()> {
    let namespace = json!({"metadata": {"name": name}});
    apply(&Api::<Namespace>::all(client.clone()), namespace).await?;
    default_account(client, name).await
}

/// Made by the controller manager elsewhere, and no pod is created without it.
async fn default_account(client: &Client, namespace: &str) -> Result<()> {
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
    apply(&accounts, json!({"metadata": {"name": "default"}})).await.map(drop)
}

/// The name by which RBAC knows the spawner.
fn spawner_account(objects: &[Value]) -> Result<String> {
    let accounts = objects.iter().filter(|object| object["kind"] == "ServiceAccount");
    let mut names = accounts.filter_map(|account| account.pointer("/metadata/name")?.as_str());
    let name = names.find(|name| name.ends_with("spawner")).context("no account of the spawner")?;
    Ok(format!("system:serviceaccount:{}:{name}", install::SYSTEM))
}

/// Applies what the cases are about, and gives the name of the operators' ClusterRole.
async fn apply_policies_and_roles(client: &Client, objects: Vec<Value>) -> Result<String> {
    let mut operator = None;
    for object in objects {
        let all = client.clone();
        let here = object.pointer("/metadata/namespace").is_some_and(|at| at == NAMESPACE);
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        match kind {
            "ValidatingAdmissionPolicy" => {
                apply(&Api::<ValidatingAdmissionPolicy>::all(all), object).await.map(drop)?;
            }
            "ValidatingAdmissionPolicyBinding" => {
                apply(&Api::<ValidatingAdmissionPolicyBinding>::all(all), object)
                    .await
                    .map(drop)?;
            }
            "ClusterRole" => {
                let role = apply(&Api::<ClusterRole>::all(all), object).await?;
                operator = role.metadata.name.filter(|name| name.contains("operator")).or(operator);
            }
            "Role" if here => {
                apply(&Api::<Role>::namespaced(all, NAMESPACE), object).await.map(drop)?;
            }
            "RoleBinding" if here => {
                apply(&Api::<RoleBinding>::namespaced(all, NAMESPACE), object).await.map(drop)?;
            }
            _ => {}
        }
    }
    operator.context("the chart has no ClusterRole for operators")
}

async fn introduce_people(client: &Client, operator: &str) -> Result<()> {
    let pods = ["pods", "pods/status", "pods/ephemeralcontainers", "pods/binding", "bindings"];
    let resources = [&pods[..], &["persistentvolumeclaims"]].concat();
    let on_pods = json!({"apiGroups": [""], "resources": resources, "verbs": ["*"]});
    let everybody = ["podder", "use-one", "debug-one", "operator", REPLICASETS];
    grant(client, "podder", "Role", "podder", &everybody, Some(on_pods)).await?;
    for (name, verb) in [("use-one", label::USE_VERB), ("debug-one", label::DEBUG_VERB)] {
        let rule = json!({"apiGroups": [label::USE_GROUP], "resources": [label::USE_RESOURCE],
            "resourceNames": [U1], "verbs": [verb]});
        grant(client, name, "Role", name, &[name], Some(rule)).await?;
    }
    grant(client, "operator", "ClusterRole", operator, &["operator"], None).await
}

/// Gives `people` a role, and makes it if it has a rule.
async fn grant(
    client: &Client,
    name: &str,
    kind: &str,
    role: &str,
    people: &[&str],
    rule: Option<Value>,
) -> Result<()> {
    if let Some(rule) = rule {
        let role = json!({"metadata": {"name": role}, "rules": [rule]});
        apply(&Api::<Role>::namespaced(client.clone(), NAMESPACE), role).await?;
    }
    let group = "rbac.authorization.k8s.io";
    let subject = |person: &&str| json!({"apiGroup": group, "kind": "User", "name": person});
    let subjects: Vec<_> = people.iter().map(subject).collect();
    let binding = json!({"metadata": {"name": name}, "subjects": subjects,
        "roleRef": {"apiGroup": group, "kind": kind, "name": role}});
    apply(&Api::<RoleBinding>::namespaced(client.clone(), NAMESPACE), binding).await.map(drop)
}

/// `plain` and `mine`, for the cases that change a pod. Nobody schedules them.
async fn make_two_pods(setting: &Setting, client: &Client) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    for (name, user) in [("plain", None), ("mine", Some(U1))] {
        let mut metadata = json!({"name": name});
        let containers = [setting.container("main")];
        let mut spec = json!({"schedulerName": "nobody", "containers": containers});
        if let Some(user) = user {
            lay_over(&mut metadata, &json!({"labels": {label::USER: user}}));
            lay_over(&mut spec, &json!({"initContainers": [setting.sidecar(user)]}));
            add_named(&mut spec, "volumes", ca_volume());
        }
        let pod = json!({"metadata": metadata, "spec": spec}).to_string();
        match pods.create(&PostParams::default(), &serde_json::from_str(&setting.fill(&pod))?).await
        {
            Ok(_) => {}
            // Of an earlier run.
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
