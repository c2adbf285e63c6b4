//! The API server's own account of who asked for what: its audit log, a JSON object in each line
//! (audit.k8s.io/v1).

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::PathBuf,
};

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde::Deserialize;

/// The log.
pub(super) struct Audit {
    path: PathBuf,
    /// Whose requests count.
    user: String,
}

/// A moment in the log.
#[derive(Clone, Copy)]
pub(super) struct Mark(u64);

/// A request and its answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Call {
    stage: String,
    pub(super) verb: String,
    user: User,
    object_ref: Option<Object>,
    response_status: Option<Response>,
    request_received_timestamp: Timestamp,
    /// When the stage was reached.
    pub(super) stage_timestamp: Timestamp,
}

#[derive(Debug, Deserialize)]
struct User {
    username: String,
}

#[derive(Debug, Deserialize)]
struct Object {
    resource: String,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Response {
    code: Option<u16>,
}

impl Audit {
    /// What `user` did, in the log at `path`.
    pub(super) fn of(user: &str, path: PathBuf) -> Self {
        Self { path, user: user.to_owned() }
    }

    /// Now.
    pub(super) fn mark(&self) -> Result<Mark> {
        let length = std::fs::metadata(&self.path);
        let length = length.with_context(|| format!("no audit log at {}", self.path.display()))?;
        Ok(Mark(length.len()))
    }

    /// What has been answered since `mark`, and the watches that have begun.
    pub(super) fn since(&self, mark: Mark) -> Result<Vec<Call>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(mark.0))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        // The last line may not be whole yet.
        let whole = text.rsplit_once('\n').map(|(whole, _)| whole).unwrap_or_default();
        let mut calls = Vec::new();
        for line in whole.lines().filter(|line| line.contains(&self.user)) {
            let call: Call = serde_json::from_str(line).context("the audit log's form")?;
            if call.user.username == self.user && call.counts() {
                calls.push(call);
            }
        }
        Ok(calls)
    }
}

impl Call {
    /// A watch counts when it begins, everything else when it is answered.
    fn counts(&self) -> bool {
        self.stage == if self.verb == "watch" { "ResponseStarted" } else { "ResponseComplete" }
    }

    pub(super) fn resource(&self) -> &str {
        self.object_ref.as_ref().map_or("", |object| object.resource.as_str())
    }

    pub(super) fn is(&self, verb: &str, resource: &str) -> bool {
        self.verb == verb && self.resource() == resource
    }

    pub(super) fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }

    /// The name of the object; of one that is created the log has none in the path, but the answer's.
    pub(super) fn name(&self) -> Option<&str> {
        self.object_ref.as_ref()?.name.as_deref()
    }

    /// How long the API server took, in milliseconds.
    pub(super) fn took(&self) -> f64 {
        let took = self.stage_timestamp.duration_since(self.request_received_timestamp);
        took.as_secs_f64() * 1e3
    }

    pub(super) fn code(&self) -> u16 {
        self.response_status.as_ref().and_then(|response| response.code).unwrap_or_default()
    }
}

/// How many calls there are of each verb and resource, with the answer's code.
pub(super) fn by_kind(calls: &[Call]) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for call in calls {
        let kind = format!("{} {} {}", call.verb, call.resource(), call.code());
        *kinds.entry(kind).or_default() += 1;
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(user: &str, verb: &str, stage: &str) -> String {
        format!(
            r#"{{"kind":"Event","stage":"{stage}","verb":"{verb}","user":{{"username":"{user}"}},"objectRef":{{"resource":"pods","name":"a"}},"responseStatus":{{"code":201}},"requestReceivedTimestamp":"2026-11-24T10:00:00.100456Z","stageTimestamp":"2026-11-24T10:00:00.123456Z"}}"#
        ) + "\n"
    }

    #[test]
    fn each_answer_of_the_user_counts_once() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let audit = Audit::of("spawner", file.path().to_owned());
        std::fs::write(file.path(), line("spawner", "get", "ResponseComplete")).unwrap();
        let mark = audit.mark().unwrap();
        let later = [
            line("spawner", "create", "ResponseComplete"),
            line("somebody", "create", "ResponseComplete"),
            line("spawner", "watch", "ResponseStarted"),
            line("spawner", "watch", "ResponseComplete"),
            "{\"half".to_owned(),
        ];
        let before = std::fs::read_to_string(file.path()).unwrap();
        std::fs::write(file.path(), before + &later.concat()).unwrap();
        let calls = audit.since(mark).unwrap();
        let kinds = by_kind(&calls);
        assert_eq!(
            kinds.into_iter().collect::<Vec<_>>(),
            [("create pods 201".to_owned(), 1), ("watch pods 201".to_owned(), 1)]
        );
        assert_eq!(calls[0].stage_timestamp.to_string(), "2026-11-24T10:00:00.123456Z");
        assert!(calls[0].is_write() && !calls[1].is_write());
        assert!((calls[0].took() - 23.0).abs() < 1e-6, "{}", calls[0].took());
    }
}
