//! Whether a runtime agrees to be put to sleep: what the sidecar has found out, and the spawner asks.

use serde::{Deserialize, Serialize};

/// The runtime's own word, as JSON with a `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Agreement {
    /// It has nothing to do, and begins nothing new until it is told to go on, or for two minutes.
    Ready,
    /// It is at work.
    Busy {
        /// The kinds of work, as the runtime calls them.
        blockers: Vec<String>,
    },
    /// It gives no answer: it cannot be reached, or it is no runtime that can be asked.
    Silent,
}

#[cfg(test)]
mod tests {
    use super::Agreement;

    #[test]
    fn an_agreement_is_json_with_a_status() {
        for (agreement, json) in [
            (Agreement::Ready, r#"{"status":"ready"}"#),
            (
                Agreement::Busy { blockers: vec!["cron-run".to_owned()] },
                r#"{"status":"busy","blockers":["cron-run"]}"#,
            ),
            (Agreement::Silent, r#"{"status":"silent"}"#),
        ] {
            assert_eq!(serde_json::to_string(&agreement).unwrap(), json);
            assert_eq!(serde_json::from_str::<Agreement>(json).unwrap(), agreement);
        }
    }
}
