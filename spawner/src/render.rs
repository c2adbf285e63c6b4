//! Everything that one user owns in the cluster, from the templates and the user's id alone. Pure:
//! what is printed by `render` is what `serve` creates.

use std::collections::BTreeMap;

use contract::{UserId, label, object, secret};
use serde_json::{Value, json};

use crate::template::{self, Fault, Template};

/// Where the gateway token of a pod comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "camelCase")]
pub enum GatewayScope {
    /// A Secret of the user's own, which the spawner makes once.
    #[default]
    PerUser,
    /// One Secret for all, which the chart or the operator provides.
    Shared,
}

/// The operator's templates, checked.
#[derive(Clone, Debug)]
pub struct Blueprint {
    /// The pod's template and its hash.
    pod: Versioned,
    /// The same with each image that a user may choose instead.
    choices: BTreeMap<String, Versioned>,
    network_policy: Option<Template>,
    home: Option<Template>,
    gateway: GatewayScope,
}

/// A template and its hash.
#[derive(Clone, Debug)]
struct Versioned {
    template: Template,
    hash: String,
}

/// An image that is not on the operator's list.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the image {image:?} is not on the list of allowed images ({allowed})")]
pub struct ImageNotAllowed {
    image: String,
    allowed: String,
}

/// Homes are made and no pod would use one, so that its user would lose everything unnoticed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the pod's template has no volume with persistentVolumeClaim.claimName: \
     openclaw-home-${{USER_UUID}}, although there is a template for that claim"
)]
pub struct HomeNotMounted;

/// One user's objects, in the order in which they are created.
#[derive(Clone, Debug)]
pub struct Objects {
    /// The claim for the home. It outlives the pod, which is not its owner.
    pub home: Option<Value>,
    /// The gateway Secret, still without a value. `None` in the shared scope.
    pub gateway: Option<Value>,
    /// The NetworkPolicy, in force before the pod exists.
    pub network_policy: Option<Value>,
    /// The pod, as the webhook will see it.
    pub pod: Value,
}

impl Blueprint {
    /// Puts the parts together. Without `network_policy` no policy is made for a user.
    #[must_use]
    pub fn new(pod: Template, network_policy: Option<Template>, gateway: GatewayScope) -> Self {
        let pod = Versioned::of(pod);
        Self { pod, choices: BTreeMap::new(), network_policy, home: None, gateway }
    }

    /// The same, where each user has a home that lasts.
    pub fn with_home(mut self, home: Template) -> Result<Self, HomeNotMounted> {
        let sample = template::sample_user();
        let pod = self.pod.template.render(&sample).map_err(|_| HomeNotMounted)?;
        if !mounts(&pod, &object::home(&sample)) {
            return Err(HomeNotMounted);
        }
        self.home = Some(home);
        Ok(self)
    }

    /// The same, where users may choose one of these images for their runtime.
    #[must_use]
    pub fn with_images(mut self, images: &[String]) -> Self {
        let choice = |image: &String| {
            (image.clone(), Versioned::of(self.pod.template.clone().with_image(image)))
        };
        self.choices = images.iter().map(choice).collect();
        self
    }

    /// Whether `image` may be chosen.
    pub fn check_image(&self, image: &str) -> Result<(), ImageNotAllowed> {
        if self.choices.contains_key(image) {
            return Ok(());
        }
        let allowed = match self.choices.len() {
            0 => "it is empty".to_owned(),
            _ => self.choices.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
        };
        Err(ImageNotAllowed { image: image.chars().take(SHOWN_CHARS).collect(), allowed })
    }

    /// Whether a pod that was made from the template with this `hash` would be made otherwise today.
    #[must_use]
    pub fn is_outdated(&self, hash: &str) -> bool {
        self.pod.hash != hash && self.choices.values().all(|choice| choice.hash != hash)
    }

    /// The hash of the template with this image.
    #[must_use]
    pub fn hash_with(&self, image: Option<&str>) -> &str {
        &self.choice(image).hash
    }

    fn choice(&self, image: Option<&str>) -> &Versioned {
        image.and_then(|image| self.choices.get(image)).unwrap_or(&self.pod)
    }

    /// Whether every user gets a NetworkPolicy.
    #[must_use]
    pub fn has_network_policy(&self) -> bool {
        self.network_policy.is_some()
    }

    /// Whether every user has a home that lasts.
    #[must_use]
    pub fn has_home(&self) -> bool {
        self.home.is_some()
    }

    /// The objects of `user`.
    pub fn render(&self, user: &UserId) -> Result<Objects, Fault> {
        self.render_with(user, None)
    }

    /// The objects of `user`, with a chosen image that was [checked](Self::check_image).
    pub fn render_with(&self, user: &UserId, image: Option<&str>) -> Result<Objects, Fault> {
        let Versioned { template, hash } = self.choice(image);
        let mut pod = template.render(user)?;
        template::mark_version(&mut pod, hash);
        let rendered = |template: &Option<Template>| {
            template.as_ref().map(|template| template.render(user)).transpose()
        };
        Ok(Objects {
            home: rendered(&self.home)?,
            gateway: (self.gateway == GatewayScope::PerUser).then(|| gateway_secret(user)),
            network_policy: rendered(&self.network_policy)?,
            pod,
        })
    }
}

impl Versioned {
    fn of(template: Template) -> Self {
        Self { hash: template.hash(), template }
    }
}

/// How much of a refused image an error repeats, in characters.
const SHOWN_CHARS: usize = 200;

impl Objects {
    /// All objects as YAML documents.
    pub fn to_yaml(&self) -> Result<String, serde_norway::Error> {
        let mut yaml = String::new();
        if let Some(home) = &self.home {
            yaml.push_str("# Created the first time, and kept until the home is purged.\n");
            yaml.push_str(&serde_norway::to_string(home)?);
            yaml.push_str("---\n");
        }
        if let Some(gateway) = &self.gateway {
            yaml.push_str("# Created with a random token the first time, and kept from then on.\n");
            yaml.push_str(&serde_norway::to_string(gateway)?);
            yaml.push_str("---\n");
        }
        if let Some(policy) = &self.network_policy {
            yaml.push_str(&serde_norway::to_string(policy)?);
            yaml.push_str("---\n");
        }
        yaml.push_str(&serde_norway::to_string(&self.pod)?);
        Ok(yaml)
    }
}

/// Whether `pod` has a volume of this claim.
fn mounts(pod: &Value, claim: &str) -> bool {
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array);
    let of =
        |volume: &Value| volume.pointer("/persistentVolumeClaim/claimName") == Some(&json!(claim));
    volumes.is_some_and(|volumes| volumes.iter().any(of))
}

/// The Secret for the user's gateway token. It has the user's label for people who look; the token
/// itself is put in by whoever creates it.
fn gateway_secret(user: &UserId) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": secret::gateway(user),
            "labels": {
                (label::USER): user.as_str(),
                (label::MANAGED_BY): label::MANAGED_BY_SPAWNER,
            },
        },
        "type": "Opaque",
    })
}

#[cfg(test)]
mod tests {
    use contract::UserId;

    use super::{Blueprint, GatewayScope};
    use crate::template::{Kind, Template};

    const POD: &str = "{apiVersion: v1, kind: Pod, metadata: {name: 'openclaw-${USER_UUID}', \
        labels: {catalyst.openova.io/openclaw-user: '${USER_UUID}'}}, \
        spec: {containers: [{name: '${SECRET_NAME}'}]}}";

    fn blueprint(gateway: GatewayScope) -> Blueprint {
        Blueprint::new(Template::parse(Kind::Pod, "pod.yaml", POD).unwrap(), None, gateway)
    }

    fn alice() -> UserId {
        "11111111-2222-4333-8444-555555555555".parse().unwrap()
    }

    #[test]
    fn a_user_gets_a_gateway_secret_without_a_value_unless_one_is_shared() {
        let own = blueprint(GatewayScope::PerUser).render(&alice()).unwrap().gateway.unwrap();
        assert_eq!(own["metadata"]["name"], format!("openclaw-gateway-{}", alice()));
        assert!(own.get("data").is_none() && own.get("stringData").is_none(), "{own}");
        assert!(blueprint(GatewayScope::Shared).render(&alice()).unwrap().gateway.is_none());
    }

    #[test]
    fn a_home_is_the_users_and_has_to_be_mounted() {
        let claim = "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: \
            {name: 'openclaw-home-${USER_UUID}', \
            labels: {catalyst.openova.io/openclaw-user: '${USER_UUID}'}}}";
        let home = || Template::parse(Kind::Home, "home.yaml", claim).unwrap();
        let error = blueprint(GatewayScope::Shared).with_home(home()).unwrap_err().to_string();
        assert!(error.contains("claimName: openclaw-home-${USER_UUID}"), "{error}");
        for (name, mounted) in [("openclaw-home-${USER_UUID}", true), ("openclaw-home-x", false)] {
            let volume = format!("volumes: [{{persistentVolumeClaim: {{claimName: '{name}'}}}}]");
            let pod = POD.replace("spec: {", &format!("spec: {{{volume}, "));
            let pod = Template::parse(Kind::Pod, "pod.yaml", &pod).unwrap();
            let blueprint = Blueprint::new(pod, None, GatewayScope::Shared).with_home(home());
            assert_eq!(blueprint.is_ok(), mounted, "{name}");
            let Ok(blueprint) = blueprint else { continue };
            let claim = blueprint.render(&alice()).unwrap().home.unwrap();
            assert_eq!(claim["metadata"]["name"], format!("openclaw-home-{}", alice()));
            let labels = &claim["metadata"]["labels"];
            assert_eq!(labels["catalyst.openova.io/openclaw-user"], alice().as_str());
            assert_eq!(labels["app.kubernetes.io/managed-by"], "openclaw-spawner");
        }
    }

    #[test]
    fn only_an_image_on_the_list_can_be_chosen() {
        let images = ["registry.example/aider:1".to_owned()];
        let blueprint = blueprint(GatewayScope::Shared).with_images(&images);
        blueprint.check_image(&images[0]).unwrap();
        let error = blueprint.check_image("registry.example/aider:2").unwrap_err().to_string();
        assert!(error.contains("aider:2") && error.contains("aider:1"), "{error}");
        let pod = |image| blueprint.render_with(&alice(), image).unwrap().pod;
        assert_eq!(pod(Some(images[0].as_str()))["spec"]["containers"][0]["image"], images[0]);
        let hash = |pod: &serde_json::Value| {
            pod["metadata"]["annotations"]["catalyst.openova.io/openclaw-template"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let (own, chosen) = (hash(&pod(None)), hash(&pod(Some(&images[0]))));
        assert_ne!(own, chosen);
        assert!(!blueprint.is_outdated(&own) && !blueprint.is_outdated(&chosen));
        assert!(blueprint.is_outdated("0000000000000000"));
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same_objects() {
        let objects = blueprint(GatewayScope::PerUser).render(&alice()).unwrap();
        let yaml = objects.to_yaml().unwrap();
        let documents: Vec<serde_json::Value> = serde_norway::Deserializer::from_str(&yaml)
            .map(|document| serde::Deserialize::deserialize(document).unwrap())
            .collect();
        assert_eq!(documents, [objects.gateway.unwrap(), objects.pod]);
    }
}
