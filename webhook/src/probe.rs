//! Probes of the runtime that the sidecar makes in its place.
//!
//! A runtime that binds loopback cannot be probed at the pod's address. Its probes are moved to the
//! sidecar's admin port, and the sidecar asks on loopback what the kubelet would have asked.

use contract::port;
use serde_json::{Value, json};

use crate::view::{Container, Handler, HttpGet, Socket};

/// Which of a container's probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Startup,
    Readiness,
    Liveness,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Startup, Self::Readiness, Self::Liveness];

    /// The container's field.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::Startup => "startupProbe",
            Self::Readiness => "readinessProbe",
            Self::Liveness => "livenessProbe",
        }
    }

    /// The sidecar's word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Readiness => "readiness",
            Self::Liveness => "liveness",
        }
    }

    /// This probe of `container`.
    #[must_use]
    pub fn of<'c, 'a>(self, container: &'c Container<'a>) -> Option<&'c Handler<'a>> {
        match self {
            Self::Startup => container.startup_probe.as_ref(),
            Self::Readiness => container.readiness_probe.as_ref(),
            Self::Liveness => container.liveness_probe.as_ref(),
        }
    }

    /// Path of this probe on the sidecar's admin port.
    #[must_use]
    pub fn path(self) -> String {
        format!("/probe/{}", self.word())
    }

    /// The `httpGet` that stands in the runtime's probe once it is moved.
    #[must_use]
    pub fn moved(self) -> Value {
        json!({"path": self.path(), "port": port::SIDECAR_ADMIN, "scheme": "HTTP"})
    }

    /// Whether `handler` has the form of [`Self::moved`].
    #[must_use]
    pub fn is_moved(self, container: &Container<'_>, handler: &Handler<'_>) -> bool {
        handler.http_get.as_ref().is_some_and(|get| {
            get.path == Some(self.path().as_str())
                && get.port.and_then(|port| container.resolve(port)) == Some(port::SIDECAR_ADMIN)
        })
    }
}

/// What the sidecar asks of the runtime, as its flags say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `http://:PORT/PATH`, `https://:PORT/PATH` or `tcp://:PORT`.
    pub url: String,
    /// Name and value of each header, in order.
    pub headers: Vec<(String, String)>,
}

impl Target {
    /// What `handler` asks, when it aims at `upstream` in `container` and can be moved.
    #[must_use]
    pub fn of(container: &Container<'_>, handler: &Handler<'_>, upstream: u16) -> Option<Self> {
        match handler {
            Handler { http_get: Some(get), .. } => Self::http(container, get, upstream),
            Handler { tcp_socket: Some(socket), .. } => aims(container, socket, upstream)
                .then(|| Self { url: format!("tcp://:{upstream}"), headers: Vec::new() }),
            _ => None,
        }
    }

    fn http(container: &Container<'_>, get: &HttpGet<'_>, upstream: u16) -> Option<Self> {
        let socket = Socket { host: get.host, port: get.port };
        if !aims(container, &socket, upstream) {
            return None;
        }
        let scheme = if get.scheme == Some("HTTPS") { "https" } else { "http" };
        let path = request_target(get.path.unwrap_or_default());
        let header = |h: &crate::view::Header<'_>| {
            (h.name.to_owned(), h.value.unwrap_or_default().to_owned())
        };
        Some(Self {
            url: format!("{scheme}://:{upstream}{path}"),
            headers: get.http_headers.iter().map(header).collect(),
        })
    }

    /// The sidecar's flags for a probe of this kind.
    pub fn flags(&self, kind: Kind) -> impl Iterator<Item = String> {
        let word = kind.word();
        let probe = format!("--probe={word}={}", self.url);
        let headers = self
            .headers
            .iter()
            .map(move |(name, value)| format!("--probe-header={word}={name}:{value}"));
        std::iter::once(probe).chain(headers)
    }
}

/// Whether the kubelet would dial `upstream` at the pod's address for it.
///
/// A loopback host counts as the pod's: from the kubelet it would be the node's, where no runtime
/// listens, and what was meant is clear. Any other host is somebody else's business.
#[must_use]
pub fn aims(container: &Container<'_>, socket: &Socket<'_>, upstream: u16) -> bool {
    let own = matches!(socket.host.unwrap_or_default(), "" | "127.0.0.1" | "localhost");
    own && socket.port.and_then(|port| container.resolve(port)) == Some(upstream)
}

/// Path and query as the kubelet would send them: with a leading slash, without a fragment, and
/// with whatever is no visible ASCII escaped.
fn request_target(path: &str) -> String {
    let path = path.split('#').next().unwrap_or_default();
    let mut target = String::with_capacity(path.len() + 1);
    if !path.starts_with('/') {
        target.push('/');
    }
    for byte in path.bytes() {
        if byte.is_ascii_graphic() {
            target.push(char::from(byte));
        } else {
            target.push_str(&format!("%{byte:02X}"));
        }
    }
    target
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::Pod;

    fn target(probe: Value) -> Option<Target> {
        let pod = json!({"spec": {"containers": [{
            "name": "runtime",
            "ports": [{"name": "gateway", "containerPort": 18789}],
            "readinessProbe": probe,
        }]}});
        let pod = Pod::of(&pod).unwrap();
        let container = &pod.spec.containers[0];
        Target::of(container, container.readiness_probe.as_ref().unwrap(), 18789)
    }

    fn flags(probe: Value) -> Vec<String> {
        target(probe).unwrap().flags(Kind::Readiness).collect()
    }

    #[test]
    fn an_http_probe_keeps_scheme_path_query_and_headers() {
        let probe = json!({"httpGet": {
            "port": "gateway", "path": "/ready z?deep=1#no", "scheme": "HTTPS",
            "httpHeaders": [{"name": "Accept", "value": "a: b"}, {"name": "X-Empty"}],
        }});
        assert_eq!(
            flags(probe),
            [
                "--probe=readiness=https://:18789/ready%20z?deep=1",
                "--probe-header=readiness=Accept:a: b",
                "--probe-header=readiness=X-Empty:",
            ]
        );
    }

    #[test]
    fn an_empty_path_is_the_root() {
        assert_eq!(
            flags(json!({"httpGet": {"port": 18789}})),
            ["--probe=readiness=http://:18789/"]
        );
    }

    #[test]
    fn a_tcp_probe_is_moved_too() {
        let probe = json!({"tcpSocket": {"port": 18789, "host": "localhost"}});
        assert_eq!(flags(probe), ["--probe=readiness=tcp://:18789"]);
    }

    #[test]
    fn a_probe_that_aims_elsewhere_stays() {
        for probe in [
            json!({"httpGet": {"port": 4180, "path": "/readyz"}}),
            json!({"httpGet": {"port": "metrics"}}),
            json!({"httpGet": {"port": 18789, "host": "10.0.0.1"}}),
            json!({"tcpSocket": {}}),
            json!({"exec": {"command": ["true"]}}),
            json!({"grpc": {"port": 18789}}),
        ] {
            assert_eq!(target(probe.clone()), None, "{probe}");
        }
    }
}
