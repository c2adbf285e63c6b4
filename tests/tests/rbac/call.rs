//! One call to the API server, as a line of `calls.yaml` has it, and whether RBAC lets it through.

use std::fmt;

use anyhow::{Context as _, Result, bail};
use contract::label;
use http::{Method, Request, StatusCode, header::CONTENT_TYPE};
use kube::{Client, client::Body};
use serde_json::{Value, json};

/// A call; cluster-wide without a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) verb: String,
    pub(crate) group: String,
    /// With the subresource, as RBAC has it.
    pub(crate) resource: String,
    pub(crate) name: Option<String>,
    pub(crate) namespace: Option<String>,
}

impl Call {
    /// Reads VERB RESOURCE[.GROUP][/SUBRESOURCE] [NAME].
    pub(crate) fn read(line: &str, namespace: Option<&str>) -> Result<Self> {
        let mut words = line.split_whitespace().map(str::to_owned);
        let (verb, what, name) = (words.next(), words.next(), words.next());
        let (verb, what) = verb.zip(what).with_context(|| format!("not a call: {line}"))?;
        let (resource, group) = what.split_once('.').unwrap_or((&what, ""));
        let (resource, group) = (resource.to_owned(), group.to_owned());
        Ok(Self { verb, group, resource, name, namespace: namespace.map(str::to_owned) })
    }

    /// Tries it, without any effect. Whether the object is there, or what is sent makes sense, is looked at
    /// after RBAC has allowed it.
    pub(crate) async fn is_allowed(&self, client: &Client) -> Result<bool> {
        if self.group == label::USE_GROUP {
            return self.asked(client).await;
        }
        let answer = client.send(self.request()?.map(Body::from)).await?;
        let status = answer.status();
        if status == StatusCode::FORBIDDEN {
            let body = http_body_util::BodyExt::collect(answer.into_body()).await?.to_bytes();
            let said = String::from_utf8_lossy(&body).into_owned();
            // An admission plugin's or a policy's refusal comes after RBAC has allowed the call.
            return Ok(!said.contains(&format!("cannot {} resource", self.verb)));
        }
        if status.is_server_error() || status == StatusCode::UNAUTHORIZED {
            bail!("{self}: {status}");
        }
        Ok(true)
    }

    /// A virtual resource is only ever asked about.
    async fn asked(&self, client: &Client) -> Result<bool> {
        let attributes = json!({
            "verb": self.verb, "group": self.group, "resource": self.resource,
            "name": self.name, "namespace": self.namespace,
        });
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        });
        let request = Request::post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews")
            .header(CONTENT_TYPE, "application/json")
            .body(review.to_string().into_bytes())?;
        let answer: Value = client.request(request).await?;
        answer.pointer("/status/allowed").and_then(Value::as_bool).context("no verdict")
    }

    fn request(&self) -> Result<Request<Vec<u8>>> {
        let by_name = format!("fieldSelector=metadata.name={}", self.name.as_deref().unwrap_or(""));
        let selected = if self.name.is_some() { by_name.as_str() } else { "" };
        let (method, query, kind, body) = match self.verb.as_str() {
            "get" => (Method::GET, String::new(), "", ""),
            "list" => (Method::GET, selected.to_owned(), "", ""),
            "watch" => (Method::GET, format!("watch=true&timeoutSeconds=1&{selected}"), "", ""),
            "create" => (Method::POST, "dryRun=All".to_owned(), "application/json", "{}"),
            "update" => (Method::PUT, "dryRun=All".to_owned(), "application/json", "{}"),
            "patch" => {
                (Method::PATCH, "dryRun=All".to_owned(), "application/merge-patch+json", "{}")
            }
            "delete" | "deletecollection" => (Method::DELETE, "dryRun=All".to_owned(), "", ""),
            other => bail!("no verb {other}"),
        };
        let uri = format!("{}?{query}", self.path());
        let mut request = Request::builder().method(method).uri(uri);
        if !kind.is_empty() {
            request = request.header(CONTENT_TYPE, kind);
        }
        Ok(request.body(body.as_bytes().to_vec())?)
    }

    fn path(&self) -> String {
        let group =
            if self.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", self.group) };
        let namespace = self.namespace.iter().map(|name| format!("/namespaces/{name}"));
        let (resource, subresource) = self
            .resource
            .split_once('/')
            .map_or((self.resource.as_str(), None), |(r, s)| (r, Some(s)));
        let of_collection = ["create", "list", "watch"].contains(&self.verb.as_str());
        let name = self.name.iter().filter(|_| !of_collection || subresource.is_some());
        let mut path = format!("{group}/v1{}/{resource}", namespace.collect::<String>());
        path.extend(name.map(|name| format!("/{name}")));
        path.extend(subresource.map(|subresource| format!("/{subresource}")));
        path
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { verb, group, resource, name, namespace } = self;
        let namespace = namespace.as_deref().unwrap_or("the cluster");
        write!(f, "{verb} {resource}.{group} {} in {namespace}", name.as_deref().unwrap_or(""))
    }
}
