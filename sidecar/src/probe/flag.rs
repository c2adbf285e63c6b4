use std::str::FromStr;

use http::{HeaderName, HeaderValue, uri::PathAndQuery};

use super::Probes;

/// How the webhook passes on the runtime's own probes.
///
/// ```text
/// --probe KIND=http://:PORT/PATH      httpGet, scheme HTTP
/// --probe KIND=https://:PORT/PATH     httpGet, scheme HTTPS; no certificate is verified
/// --probe KIND=tcp://:PORT            tcpSocket
/// --probe-header KIND=NAME:VALUE      one of httpGet.httpHeaders
/// ```
///
/// KIND is `startup`, `readiness` or `liveness`. There is no host: it is always this pod's loopback.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Probes of the runtime")]
pub(crate) struct ProbeArgs {
    /// What /probe/KIND on the admin port asks the runtime: KIND=http://:PORT/PATH, https or tcp;
    /// KIND is startup, readiness or liveness
    #[arg(long, value_name = "KIND=SPEC")]
    probe: Vec<ProbeFlag>,

    /// A header of that question, KIND=NAME:VALUE
    #[arg(long, value_name = "KIND=NAME:VALUE")]
    probe_header: Vec<HeaderFlag>,
}

/// The kinds of probe that a container can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Startup,
    Readiness,
    Liveness,
}

/// One question to the runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    Http { tls: bool, port: u16, path: PathAndQuery, headers: Vec<(HeaderName, HeaderValue)> },
    Tcp { port: u16 },
}

/// Probe flags that contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProbesError {
    #[error("--probe is given twice for {0}")]
    Twice(&'static str),
    #[error("--probe-header is given for {0}, which has no http or https --probe")]
    HeaderWithoutHttp(&'static str),
}

/// One flag that cannot be read. Names the value; clap names the flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FlagError {
    #[error("must begin with `startup=`, `readiness=` or `liveness=`")]
    Kind,
    #[error("must look like http://:PORT/PATH, https://:PORT/PATH or tcp://:PORT")]
    Spec,
    #[error("must look like KIND=NAME:VALUE, with a valid header")]
    Header,
}

#[derive(Clone, Debug)]
struct ProbeFlag(Kind, Probe);

#[derive(Clone, Debug)]
struct HeaderFlag(Kind, HeaderName, HeaderValue);

impl ProbeArgs {
    /// Puts the flags together.
    pub(crate) fn probes(self) -> Result<Probes, ProbesError> {
        let mut probes = Probes::default();
        for ProbeFlag(kind, probe) in self.probe {
            if probes.find(kind.name()).is_some() {
                return Err(ProbesError::Twice(kind.name()));
            }
            probes.0.push((kind, probe));
        }
        for HeaderFlag(kind, name, value) in self.probe_header {
            match probes.0.iter_mut().find(|(named, _)| *named == kind) {
                Some((_, Probe::Http { headers, .. })) => headers.push((name, value)),
                _ => return Err(ProbesError::HeaderWithoutHttp(kind.name())),
            }
        }
        Ok(probes)
    }
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Readiness => "readiness",
            Self::Liveness => "liveness",
        }
    }

    /// Splits `KIND=rest`.
    fn split(text: &str) -> Result<(Self, &str), FlagError> {
        let (kind, rest) = text.split_once('=').ok_or(FlagError::Kind)?;
        let known = [Self::Startup, Self::Readiness, Self::Liveness];
        let kind = known.into_iter().find(|known| known.name() == kind).ok_or(FlagError::Kind)?;
        Ok((kind, rest))
    }
}

impl FromStr for ProbeFlag {
    type Err = FlagError;

    fn from_str(text: &str) -> Result<Self, FlagError> {
        let (kind, spec) = Kind::split(text)?;
        let (scheme, rest) = spec.split_once("://:").ok_or(FlagError::Spec)?;
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (port, path) = rest.split_at(digits);
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(FlagError::Spec)?;
        let probe = match (scheme, path) {
            ("tcp", "") => Probe::Tcp { port },
            ("http" | "https", _) => Probe::Http {
                tls: scheme == "https",
                port,
                path: absolute(path)?,
                headers: Vec::new(),
            },
            _ => return Err(FlagError::Spec),
        };
        Ok(Self(kind, probe))
    }
}

fn absolute(path: &str) -> Result<PathAndQuery, FlagError> {
    match path.chars().next() {
        None => Ok(PathAndQuery::from_static("/")),
        Some('/') => path.parse().map_err(|_| FlagError::Spec),
        Some(_) => Err(FlagError::Spec),
    }
}

impl FromStr for HeaderFlag {
    type Err = FlagError;

    fn from_str(text: &str) -> Result<Self, FlagError> {
        let (kind, field) = Kind::split(text)?;
        let (name, value) = field.split_once(':').ok_or(FlagError::Header)?;
        let name = name.parse().map_err(|_| FlagError::Header)?;
        let value = value.trim().parse().map_err(|_| FlagError::Header)?;
        Ok(Self(kind, name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(text: &str) -> Result<(Kind, Probe), FlagError> {
        text.parse().map(|ProbeFlag(kind, probe)| (kind, probe))
    }

    fn http(tls: bool, port: u16, path: &'static str) -> Probe {
        Probe::Http { tls, port, path: PathAndQuery::from_static(path), headers: Vec::new() }
    }

    #[test]
    fn a_probe_is_a_kind_a_scheme_a_port_and_a_path() {
        assert_eq!(
            probe("startup=http://:18789/startupz"),
            Ok((Kind::Startup, http(false, 18789, "/startupz")))
        );
        assert_eq!(
            probe("liveness=https://:8443/a?b=c:d"),
            Ok((Kind::Liveness, http(true, 8443, "/a?b=c:d")))
        );
        assert_eq!(probe("readiness=http://:80"), Ok((Kind::Readiness, http(false, 80, "/"))));
        assert_eq!(
            probe("readiness=tcp://:18789"),
            Ok((Kind::Readiness, Probe::Tcp { port: 18789 }))
        );
    }

    #[test]
    fn anything_else_is_a_mistake() {
        use FlagError::*;
        for (text, error) in [
            ("http://:80/", Kind),
            ("Startup=http://:80/", Kind),
            ("startup=http://10.0.0.1:80/", Spec),
            ("startup=http://:0/", Spec),
            ("startup=http://:65536/", Spec),
            ("startup=http://:/", Spec),
            ("startup=http://:80healthz", Spec),
            ("startup=http://:80?x", Spec),
            ("startup=http://:80/a b", Spec),
            ("startup=tcp://:80/", Spec),
            ("startup=grpc://:80", Spec),
            ("startup=", Spec),
        ] {
            assert_eq!(probe(text), Err(error), "{text}");
        }
        for text in ["startup=Host", "startup=a b:c", "startup=a:b\nc"] {
            assert_eq!(text.parse::<HeaderFlag>().unwrap_err(), Header, "{text:?}");
        }
    }

    #[test]
    fn headers_belong_to_an_http_probe() {
        let args = |probes: &[&str], headers: &[&str]| ProbeArgs {
            probe: probes.iter().map(|text| text.parse().unwrap()).collect(),
            probe_header: headers.iter().map(|text| text.parse().unwrap()).collect(),
        };
        let made = args(&["startup=http://:80/"], &["startup=Host: a:b", "startup=X-A:"])
            .probes()
            .unwrap();
        let expected = [("host", "a:b"), ("x-a", "")]
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        assert!(
            matches!(made.find("startup"), Some(Probe::Http { headers, .. }) if *headers == expected)
        );
        for (probes, headers, error) in [
            (
                &["startup=tcp://:80"][..],
                &["startup=A:b"][..],
                ProbesError::HeaderWithoutHttp("startup"),
            ),
            (
                &["startup=http://:80"],
                &["liveness=A:b"],
                ProbesError::HeaderWithoutHttp("liveness"),
            ),
            (&["startup=tcp://:80", "startup=tcp://:81"], &[], ProbesError::Twice("startup")),
        ] {
            assert_eq!(args(probes, headers).probes().unwrap_err(), error);
        }
    }
}
