//! What both injected containers have in common.

use serde_json::{Value, json};

use super::{Parts, Variable, volume};
use crate::config::Resources;

/// What one of them is.
pub(super) struct Container<'a> {
    pub(super) name: &'static str,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<Variable>,
    pub(super) mounts: Vec<Value>,
    pub(super) resources: &'a Resources,
}

impl Container<'_> {
    /// The container; `more` are fields that only it has.
    pub(super) fn build(self, parts: &Parts<'_>, more: Value) -> Value {
        let Self { name, args, env, mut mounts, resources } = self;
        mounts.extend(volume::no_token_mount(parts));
        let mut container = json!({
            "name": name,
            "image": parts.config.image,
            "imagePullPolicy": parts.config.pull_policy,
            "args": args.iter().map(|arg| literal(arg)).collect::<Vec<_>>(),
            "env": env.into_iter().map(|variable| variable.entry).collect::<Vec<_>>(),
            "resources": resource_fields(resources),
            "securityContext": security_context(parts),
            "volumeMounts": mounts,
        });
        if let (Value::Object(fields), Value::Object(more)) = (&mut container, more) {
            fields.retain(|_, value| value.as_array().is_none_or(|list| !list.is_empty()));
            fields.extend(more);
        }
        container
    }
}

/// An argument that means itself: the kubelet would expand `$(NAME)`, also to a Secret's value.
fn literal(arg: &str) -> String {
    arg.replace('$', "$$")
}

fn resource_fields(resources: &Resources) -> Value {
    let Resources { cpu_request, cpu_limit, memory_request, memory_limit } = resources;
    json!({
        "requests": {"cpu": cpu_request, "memory": memory_request},
        "limits": {"cpu": cpu_limit, "memory": memory_limit},
    })
}

/// Pod Security `restricted`, on the container, so that it holds whatever the pod says.
fn security_context(parts: &Parts<'_>) -> Value {
    let run_as = parts.plan.run_as;
    let mut context = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "privileged": false,
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
        "runAsUser": run_as.user,
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    if let (Some(group), Value::Object(fields)) = (run_as.group, &mut context) {
        fields.insert("runAsGroup".to_owned(), group.into());
    }
    context
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn an_argument_is_not_expanded() {
        assert_eq!(
            literal("--config=/data/$(OPENCLAW_GATEWAY_TOKEN)"),
            "--config=/data/$$(OPENCLAW_GATEWAY_TOKEN)"
        );
    }
}
