//! The operator's templates: read once at start, and refused there rather than at a user's first
//! spawn. What passes here renders for every user.

mod placeholder;
mod shape;
mod version;

use std::path::Path;

use contract::UserId;
use serde_json::Value;

pub use placeholder::BadPlaceholder;
use placeholder::{SECRET_NAME, USER_UUID, Values};
pub use shape::WrongShape;
pub(crate) use version::mark as mark_version;

/// Which object a template makes, and so what it must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The user's pod: `v1` `Pod`.
    Pod,
    /// The NetworkPolicy of that pod: `networking.k8s.io/v1` `NetworkPolicy`.
    NetworkPolicy,
    /// The claim for the user's home: `v1` `PersistentVolumeClaim`.
    Home,
}

/// A template that renders for every user.
#[derive(Clone, Debug)]
pub struct Template {
    kind: Kind,
    object: Value,
}

/// A template that cannot be used. The text starts with the file, and with the line where one is at
/// fault.
#[derive(Debug, thiserror::Error)]
#[error("{file}{}: {fault}", line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct TemplateError {
    file: String,
    line: Option<usize>,
    #[source]
    fault: Fault,
}

/// What is wrong with a template.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[source] std::io::Error),
    /// Not one YAML document.
    #[error("is not one YAML document: {0}")]
    Yaml(#[source] serde_norway::Error),
    /// A `${..}` that does not exist.
    #[error(transparent)]
    Placeholder(#[from] BadPlaceholder),
    /// A placeholder in a mapping's key, where it is not replaced.
    #[error("the key {0:?} has a placeholder; placeholders are replaced in values only")]
    KeyPlaceholder(String),
    /// A placeholder that has to be there is not.
    #[error("uses ${{{0}}} in no value, so every user would get the same object")]
    Missing(&'static str),
    /// The rendered object would not be this user's.
    #[error(transparent)]
    Shape(#[from] WrongShape),
}

impl Template {
    /// Reads and checks the template in `path`.
    pub fn read(kind: Kind, path: &Path) -> Result<Self, TemplateError> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(kind, &file, &text),
            Err(error) => Err(TemplateError { file, line: None, fault: Fault::Read(error) }),
        }
    }

    /// Checks the template `text`; `file` is only what errors call it.
    pub fn parse(kind: Kind, file: &str, text: &str) -> Result<Self, TemplateError> {
        let refuse = |line, fault| TemplateError { file: file.to_owned(), line, fault };
        let sample = sample_user();
        let values = Values::of(&sample);
        for (at, line) in text.lines().enumerate() {
            values.expand(line).map_err(|fault| refuse(Some(at + 1), fault.into()))?;
        }
        let object = parse_yaml(text)
            .map_err(|error| refuse(error.location().map(|at| at.line()), Fault::Yaml(error)))?;
        let template = Self { kind, object };
        template.check(&sample).map_err(|fault| refuse(fault.line_in(text), fault))?;
        Ok(template)
    }

    /// The object for `user`. It carries the user's name and label, or is refused.
    pub fn render(&self, user: &UserId) -> Result<Value, Fault> {
        let mut object = expand(&self.object, &Values::of(user))?;
        shape::check(self.kind, &object, user)?;
        shape::mark_as_ours(&mut object);
        Ok(object)
    }

    /// The same with another image for the runtime.
    #[must_use]
    pub(crate) fn with_image(mut self, image: &str) -> Self {
        version::set_image(&mut self.object, image);
        self
    }

    /// Tells this template from every other one.
    #[must_use]
    pub(crate) fn hash(&self) -> String {
        version::hash(&self.object)
    }

    fn check(&self, sample: &UserId) -> Result<(), Fault> {
        let required: &[&'static str] = match self.kind {
            Kind::Pod => &[USER_UUID, SECRET_NAME],
            Kind::NetworkPolicy | Kind::Home => &[USER_UUID],
        };
        for name in required {
            if !used_in(&self.object, name) {
                return Err(Fault::Missing(name));
            }
        }
        self.render(sample).map(drop)
    }
}

impl Fault {
    /// The line of `text` where the fault shows, if it shows in one.
    fn line_in(&self, text: &str) -> Option<usize> {
        let needle = match self {
            Self::KeyPlaceholder(key) => key.as_str(),
            Self::Shape(shape) => shape.key(),
            _ => return None,
        };
        text.lines().position(|line| line.trim_start().starts_with(needle)).map(|at| at + 1)
    }
}

/// Whom a template is tried with at start, so that no user is the first to find a mistake.
#[expect(clippy::expect_used, reason = "a constant, and every test of this file parses it")]
pub(crate) fn sample_user() -> UserId {
    "00000000-0000-4000-8000-000000000000".parse().expect("a canonical UUID")
}

/// Goes through YAML's own value type, because that one refuses duplicate keys; JSON's keeps the
/// last, and a label given twice must not depend on the order.
fn parse_yaml(text: &str) -> Result<Value, serde_norway::Error> {
    let object: serde_norway::Value = serde_norway::from_str(text)?;
    serde_norway::from_value(object)
}

fn expand(value: &Value, values: &Values) -> Result<Value, Fault> {
    Ok(match value {
        Value::String(text) => Value::String(values.expand(text)?),
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| expand(item, values)).collect::<Result<_, _>>()?)
        }
        Value::Object(entries) => Value::Object(
            entries
                .iter()
                .map(|(key, value)| match key.contains("${") {
                    true => Err(Fault::KeyPlaceholder(key.clone())),
                    false => Ok((key.clone(), expand(value, values)?)),
                })
                .collect::<Result<_, _>>()?,
        ),
        other => other.clone(),
    })
}

fn used_in(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => placeholder::uses(text, name),
        Value::Array(items) => items.iter().any(|item| used_in(item, name)),
        Value::Object(entries) => entries.values().any(|value| used_in(value, name)),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
