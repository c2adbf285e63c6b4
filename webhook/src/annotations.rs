//! The annotations that a pod may carry, as one table of name and parser.
//!
//! Every mistake is reported in one go, because fixing a pod one denial at a time is a poor way to
//! learn what is allowed.

use contract::{annotation, port};

use crate::{
    config::Settings,
    quantity::Quantity,
    reason::{Denial, Reason},
    view::Pod,
};

/// What an original value that was replaced looked like, for `uninject`: see [`crate::original`].
pub const ORIGINAL: &str = "openclaw.catalyst.openova.io/original";

/// What the annotations of one pod ask for.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// Name of the runtime container.
    pub container: Option<&'a str>,
    /// The configuration's defaults, with what the pod overrides.
    pub settings: Settings,
}

struct Row {
    name: &'static str,
    /// What a value may be, in words.
    allowed: &'static str,
    /// `None` when the value may not be so.
    set: for<'a> fn(&mut Asked<'a>, &'a str) -> Option<()>,
}

const A_QUANTITY: &str = "a quantity such as 20m, 0.5 or 32Mi";

const TABLE: &[Row] = &[
    Row {
        name: annotation::CONTAINER,
        allowed: "the name of one of the pod's containers",
        set: |asked, value| put(&mut asked.container, (!value.is_empty()).then_some(Some(value))),
    },
    Row {
        name: annotation::UPSTREAM_PORT,
        allowed: "a port from 1 to 65535 that is not one of the sidecar's (4180, 4181)",
        set: |asked, value| put(&mut asked.settings.upstream_port, upstream_port(value)),
    },
    Row {
        name: annotation::TOKEN_SYNC,
        allowed: "enabled or disabled",
        set: |asked, value| put(&mut asked.settings.token_sync, value.parse().ok()),
    },
    Row {
        name: annotation::GATEWAY_AUTH,
        allowed: "token, trusted-proxy or none",
        set: |asked, value| put(&mut asked.settings.gateway_auth, value.parse().ok()),
    },
    Row {
        name: annotation::CONFIG_PATH,
        allowed: "the absolute path of a file, without `.`, `..`, `//` or a final slash",
        set: |asked, value| put(&mut asked.settings.config_path, value.parse().ok()),
    },
    Row {
        name: annotation::BROKEN_CONFIG,
        allowed: "refuse or reseed",
        set: |asked, value| put(&mut asked.settings.broken_config, value.parse().ok()),
    },
    Row {
        name: annotation::SIDECAR_CPU_REQUEST,
        allowed: A_QUANTITY,
        set: |asked, value| put(&mut asked.settings.resources.cpu_request, quantity(value)),
    },
    Row {
        name: annotation::SIDECAR_CPU_LIMIT,
        allowed: A_QUANTITY,
        set: |asked, value| put(&mut asked.settings.resources.cpu_limit, quantity(value)),
    },
    Row {
        name: annotation::SIDECAR_MEMORY_REQUEST,
        allowed: A_QUANTITY,
        set: |asked, value| put(&mut asked.settings.resources.memory_request, quantity(value)),
    },
    Row {
        name: annotation::SIDECAR_MEMORY_LIMIT,
        allowed: A_QUANTITY,
        set: |asked, value| put(&mut asked.settings.resources.memory_limit, quantity(value)),
    },
];

/// Names that the webhook writes itself.
const WRITTEN: [&str; 2] = [annotation::INJECTED, ORIGINAL];

/// Reads the annotations of `pod`. What cannot be read goes to `denials`, and its default stays.
pub fn read<'a>(pod: &Pod<'a>, defaults: &Settings, denials: &mut Vec<Denial>) -> Asked<'a> {
    let mut asked = Asked { container: None, settings: defaults.clone() };
    for (&name, value) in &pod.metadata.annotations {
        if !name.starts_with(annotation::PREFIX) || WRITTEN.contains(&name) {
            continue;
        }
        let value = value.unwrap_or_default();
        match TABLE.iter().find(|row| row.name == name) {
            None => denials.push(unknown(name)),
            Some(row) if (row.set)(&mut asked, value).is_none() => {
                denials.push(not_allowed(row, value))
            }
            Some(_) => {}
        }
    }
    for problem in asked.settings.resources.problems() {
        denials.push(Denial::new(
            Reason::InvalidAnnotation,
            format!(
                "the sidecar's {problem}; set both with annotations under {}",
                annotation::PREFIX
            ),
        ));
    }
    if asked.container.is_none() {
        asked.container = pod.annotation(annotation::DEFAULT_CONTAINER);
    }
    asked
}

fn put<T>(place: &mut T, value: Option<T>) -> Option<()> {
    *place = value?;
    Some(())
}

fn quantity(value: &str) -> Option<Quantity> {
    value.parse().ok()
}

/// A port on which a runtime can listen beside the sidecar.
#[must_use]
pub fn upstream_port(value: &str) -> Option<u16> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number: u16 = value.parse().ok().filter(|_| digits)?;
    (!matches!(number, 0 | port::SIDECAR_DATA | port::SIDECAR_ADMIN)).then_some(number)
}

fn not_allowed(row: &Row, value: &str) -> Denial {
    let shown: String = value.chars().take(SHOWN).collect();
    Denial::new(
        Reason::InvalidAnnotation,
        format!("annotation {}: {shown:?} is not {}", row.name, row.allowed),
    )
}

/// How much of a rejected value a message repeats, in characters.
const SHOWN: usize = 64;

fn unknown(name: &str) -> Denial {
    let known: Vec<&str> = TABLE.iter().map(|row| row.name).collect();
    let help = match crate::config::nearest(name, &known) {
        Some(near) => format!("did you mean {near}?"),
        None => {
            let short = |name: &&str| name.trim_start_matches(annotation::PREFIX).to_owned();
            let known: Vec<String> = known.iter().map(short).collect();
            format!("known under {} are {}", annotation::PREFIX, known.join(", "))
        }
    };
    let shown: String = name.chars().take(2 * SHOWN).collect();
    Denial::new(Reason::UnknownAnnotation, format!("annotation {shown} has no meaning; {help}"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::BrokenConfig;

    fn read_all(annotations: Value) -> (Settings, Option<String>, Vec<Denial>) {
        let pod = json!({"metadata": {"annotations": annotations}});
        let pod = Pod::of(&pod).unwrap();
        let mut denials = Vec::new();
        let asked = read(&pod, &Settings::default(), &mut denials);
        (asked.settings, asked.container.map(str::to_owned), denials)
    }

    fn ours(name: &str) -> String {
        format!("{}{name}", annotation::PREFIX)
    }

    #[test]
    fn every_annotation_overrides_its_default() {
        let (settings, container, denials) = read_all(json!({
            annotation::CONTAINER: "agent",
            annotation::UPSTREAM_PORT: "8080",
            annotation::TOKEN_SYNC: "disabled",
            annotation::GATEWAY_AUTH: "none",
            annotation::CONFIG_PATH: "/data/openclaw.json",
            annotation::BROKEN_CONFIG: "reseed",
            annotation::SIDECAR_CPU_REQUEST: "5m",
            annotation::SIDECAR_CPU_LIMIT: "1",
            annotation::SIDECAR_MEMORY_REQUEST: "8Mi",
            annotation::SIDECAR_MEMORY_LIMIT: "1Gi",
            annotation::DEFAULT_CONTAINER: "other",
            annotation::INJECTED: "anything",
        }));
        assert_eq!(denials, []);
        assert_eq!(container.as_deref(), Some("agent"));
        assert_eq!(settings.upstream_port, 8080);
        assert_eq!(settings.config_path.as_str(), "/data/openclaw.json");
        assert_eq!(settings.broken_config, BrokenConfig::Reseed);
        assert_eq!(settings.resources.memory_limit.as_str(), "1Gi");
        assert_ne!(settings, Settings::default());
    }

    #[test]
    fn all_mistakes_come_at_once_and_name_annotation_and_value() {
        let (settings, _, denials) = read_all(json!({
            annotation::UPSTREAM_PORT: "+4180",
            annotation::TOKEN_SYNC: "yes",
            annotation::GATEWAY_AUTH: null,
            annotation::BROKEN_CONFIG: "delete",
            annotation::CONFIG_PATH: "/a/../b",
            annotation::SIDECAR_CPU_LIMIT: "lots",
            ours("upstream-prot"): "1",
        }));
        assert_eq!(settings, Settings::default());
        assert_eq!(denials.len(), 7, "{denials:?}");
        for word in [
            "\"+4180\"",
            "\"yes\"",
            "\"delete\"",
            "\"\"",
            "\"/a/../b\"",
            "\"lots\"",
            "did you mean",
        ] {
            assert!(denials.iter().any(|denial| denial.message.contains(word)), "{word}");
        }
    }

    #[test]
    fn a_request_above_its_limit_is_a_mistake() {
        let (_, _, denials) = read_all(json!({annotation::SIDECAR_MEMORY_REQUEST: "4Gi"}));
        assert_eq!(denials.len(), 1);
        assert!(denials[0].message.contains("memory request 4Gi"), "{denials:?}");
    }

    #[test]
    fn kubernetes_own_default_container_counts() {
        let (_, container, _) = read_all(json!({annotation::DEFAULT_CONTAINER: "agent"}));
        assert_eq!(container.as_deref(), Some("agent"));
    }

    #[test]
    fn ports_of_the_sidecar_are_no_upstream() {
        for bad in ["", "0", "4180", "4181", "65536", "-1", "+1", " 1", "0x50"] {
            assert_eq!(upstream_port(bad), None, "{bad:?}");
        }
        assert_eq!(upstream_port("18789"), Some(18789));
    }

    #[test]
    fn what_the_webhook_writes_is_under_the_prefix() {
        assert!(WRITTEN.iter().all(|name| name.starts_with(annotation::PREFIX)));
        assert!(TABLE.iter().all(|row| row.name.starts_with(annotation::PREFIX)));
    }

    #[test]
    fn a_moved_probe_never_aims_at_an_upstream() {
        let port = crate::probe::Kind::Startup.moved()["port"].to_string();
        assert_eq!(upstream_port(&port), None);
    }
}
