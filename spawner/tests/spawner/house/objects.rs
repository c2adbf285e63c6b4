//! The templates, and the pods that come of them.

use contract::UserId;
use edge::oidc::testing::ALICE;
use serde_json::{Value, json};
use spawner::{
    render::{Blueprint, GatewayScope},
    template::{Kind, Template},
};

pub(crate) const POD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: openclaw-${USER_UUID}
  labels:
    catalyst.openova.io/openclaw-user: ${USER_UUID}
  annotations:
    catalyst.openova.io/newapi-secret: ${SECRET_NAME}
spec:
  # As the webhook leaves it.
  initContainers:
    - name: openclaw-auth
  containers:
    - name: runtime
  volumes:
    - name: home
      persistentVolumeClaim: {claimName: 'openclaw-home-${USER_UUID}'}
";

pub(crate) const HOME: &str = "\
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: openclaw-home-${USER_UUID}
  labels:
    catalyst.openova.io/openclaw-user: ${USER_UUID}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 5Gi}}
";

pub(crate) const POLICY: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: openclaw-${USER_UUID}
spec:
  podSelector:
    matchLabels:
      catalyst.openova.io/openclaw-user: ${USER_UUID}
  policyTypes: [Ingress]
  ingress:
    - from: [{podSelector: {matchLabels: {app: spawner}}}]
";

pub(crate) fn alice() -> UserId {
    ALICE.parse().unwrap()
}

pub(crate) fn pod_name() -> String {
    contract::object::pod(&alice())
}

/// Alice's pod with this status.
pub(crate) fn alices_pod(status: Value) -> Value {
    pod_of(ALICE, status)
}

/// The pod of this user with this status.
pub(crate) fn pod_of(user: &str, status: Value) -> Value {
    let template = Template::parse(Kind::Pod, "pod.yaml", POD).unwrap();
    let mut pod = template.render(&user.parse().unwrap()).unwrap();
    pod["status"] = status;
    pod
}

/// The status of a ready pod on loopback.
pub(crate) fn ready() -> Value {
    json!({
        "phase": "Running", "podIP": "127.0.0.1",
        "conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "Initialized", "status": "True"},
            {"type": "Ready", "status": "True"},
        ],
    })
}

/// The claim for this user's home.
pub(crate) fn home_of(user: &str) -> Value {
    Template::parse(Kind::Home, "home.yaml", HOME).unwrap().render(&user.parse().unwrap()).unwrap()
}

pub(crate) fn blueprint(homes: bool) -> Blueprint {
    let pod = Template::parse(Kind::Pod, "pod.yaml", POD).unwrap();
    let policy = Template::parse(Kind::NetworkPolicy, "policy.yaml", POLICY).unwrap();
    let mut blueprint = Blueprint::new(pod, Some(policy), GatewayScope::PerUser);
    if homes {
        let home = Template::parse(Kind::Home, "home.yaml", HOME).unwrap();
        blueprint = blueprint.with_home(home).unwrap();
    }
    blueprint.with_images(&["registry.example/aider:1".to_owned()])
}
