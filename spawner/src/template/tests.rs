use super::{Kind, Template};

const POD: &str = "\
apiVersion: v1
kind: Pod
metadata:
  name: openclaw-${USER_UUID}
  labels:
    catalyst.openova.io/openclaw-user: ${USER_UUID}
  annotations:
    catalyst.openova.io/newapi-secret: ${SECRET_NAME}
spec:
  newer-than-we-know: kept
  containers:
    - name: runtime
      command: [sh, -c, 'echo $${HOME}']
";

const POLICY: &str = "\
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
    - from: [{podSelector: {}}]
";

const HOME: &str = "\
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: openclaw-home-${USER_UUID}
  labels:
    catalyst.openova.io/openclaw-user: ${USER_UUID}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
";

const ALICE: &str = "11111111-2222-4333-8444-555555555555";

fn refusal(kind: Kind, text: &str) -> String {
    Template::parse(kind, "file.yaml", text).expect_err("refused").to_string()
}

#[test]
fn a_pod_is_the_template_with_the_user_put_in() {
    let template = Template::parse(Kind::Pod, "file.yaml", POD).unwrap();
    let pod = template.render(&ALICE.parse().unwrap()).unwrap();
    assert_eq!(pod["metadata"]["name"], format!("openclaw-{ALICE}"));
    let labels = &pod["metadata"]["labels"];
    assert_eq!(labels["catalyst.openova.io/openclaw-user"], ALICE);
    assert_eq!(labels["app.kubernetes.io/managed-by"], "openclaw-spawner");
    let annotations = &pod["metadata"]["annotations"];
    assert_eq!(annotations["catalyst.openova.io/newapi-secret"], format!("newapi-key-{ALICE}"));
    assert_eq!(pod["spec"]["newer-than-we-know"], "kept");
    assert_eq!(pod["spec"]["containers"][0]["command"][2], "echo ${HOME}");
}

#[test]
fn a_placeholder_that_is_wrong_or_missing_is_refused_with_its_line() {
    for (from, to, expected) in [
        ("name: runtime", "name: ${NAME}", "file.yaml:12: ${NAME} is not a placeholder"),
        ("name: runtime", "name: ${USER_UUID", "file.yaml:12: `${` is not closed"),
        ("$${HOME}", "${HOME}", "write $${HOME}"),
        ("${SECRET_NAME}", "x", "file.yaml: uses ${SECRET_NAME} in no value"),
        (
            "    catalyst.openova.io/newapi-secret",
            "    ${USER_UUID}-secret",
            "file.yaml:8: the key \"${USER_UUID}-secret\"",
        ),
    ] {
        let refusal = refusal(Kind::Pod, &POD.replace(from, to));
        assert!(refusal.contains(expected), "{refusal}");
    }
    let none = POD.replace("${USER_UUID}", "x");
    assert!(refusal(Kind::Pod, &none).contains("uses ${USER_UUID} in no value"));
}

#[test]
fn a_pod_that_would_not_be_the_users_is_refused() {
    for (from, to, expected) in [
        ("kind: Pod", "kind: Job", "file.yaml:2: must be apiVersion v1, kind Pod"),
        ("name: openclaw-", "name: other-", "file.yaml:4: metadata.name must be"),
        ("name: openclaw-", "generateName: openclaw-", "file.yaml:4: metadata.generateName"),
        ("metadata:", "metadata:\n  namespace: x", "file.yaml:4: metadata.namespace must not"),
        ("openclaw-user: ${USER_UUID}", "openclaw-user: x", "file.yaml:5: metadata.labels must"),
        ("    - name: runtime", "    []\nx:\n    - name: runtime", "file.yaml:11: spec.containers"),
        ("kind: Pod", "kind: Pod\nkind: Pod", "duplicate"),
        ("kind: Pod", "kind: [", "file.yaml:4: is not one YAML document"),
        ("spec:", "---\nspec:", "is not one YAML document"),
    ] {
        let refusal = refusal(Kind::Pod, &POD.replacen(from, to, 1));
        assert!(refusal.contains(expected), "{refusal}");
    }
}

#[test]
fn a_policy_that_opens_the_pod_or_closes_another_is_refused() {
    Template::parse(Kind::NetworkPolicy, "file.yaml", POLICY).unwrap();
    for (from, to, expected) in [
        ("openclaw-user: ${USER_UUID}", "openclaw-user: x", "file.yaml:6: spec.podSelector"),
        ("[Ingress]", "[Egress]", "file.yaml:9: spec.policyTypes"),
        ("from: [{podSelector: {}}]", "from: []", "file.yaml:10: every rule in spec.ingress"),
        ("from: [{podSelector: {}}]", "ports: [{port: 4180}]", "file.yaml:10: every rule"),
    ] {
        let refusal = refusal(Kind::NetworkPolicy, &POLICY.replace(from, to));
        assert!(refusal.contains(expected), "{refusal}");
    }
}

#[test]
fn a_home_that_would_not_be_the_users_or_would_not_last_is_refused() {
    Template::parse(Kind::Home, "file.yaml", HOME).unwrap();
    for (from, to, expected) in [
        (
            "name: openclaw-home-",
            "name: openclaw-",
            "file.yaml:4: metadata.name must be openclaw-home-$",
        ),
        ("openclaw-user: ${USER_UUID}", "openclaw-user: x", "file.yaml:5: metadata.labels must"),
        ("kind: PersistentVolumeClaim", "kind: Pod", "kind PersistentVolumeClaim"),
        ("  labels:", "  namespace: x\n  labels:", "file.yaml:5: metadata.namespace must not"),
        ("  labels:", "  ownerReferences: []\n  labels:", "file.yaml:5: metadata.ownerReferences"),
    ] {
        let refusal = refusal(Kind::Home, &HOME.replacen(from, to, 1));
        assert!(refusal.contains(expected), "{refusal}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let refusal = Template::read(Kind::Pod, "no-such-file.yaml".as_ref()).expect_err("refused");
    assert!(refusal.to_string().starts_with("no-such-file.yaml: cannot be read"), "{refusal}");
}
