//! Which probes of the runtime the sidecar has to make.

use serde_json::{Map, Value};

use crate::{
    original::Original,
    plan::{MovedProbe, TakenHandler},
    probe::{Kind, Target, aims},
    reason::{Denial, Reason},
    view::{Container, Handler, Socket},
};

/// The runtime container and where it sits in the raw pod.
pub(super) struct Seat<'p, 'a> {
    pub(super) raw: &'a Value,
    pub(super) index: usize,
    pub(super) runtime: &'p Container<'a>,
    pub(super) upstream: u16,
}

/// The probes to move, and what is remembered of former moves as far as it still holds.
pub(super) fn plan(
    seat: &Seat<'_, '_>,
    mut original: Original,
    denials: &mut Vec<Denial>,
    warnings: &mut Vec<String>,
) -> (Vec<MovedProbe>, Original) {
    let known = std::mem::take(&mut original.probes);
    let mut moved = Vec::new();
    for kind in Kind::ALL {
        let Some(handler) = kind.of(seat.runtime) else {
            continue;
        };
        if let Some(probe) = seat.to_move(kind, handler) {
            moved.push(probe);
        } else if let Some((target, handler)) = seat.remembered(kind, &known) {
            original.probes.insert(kind.field().to_owned(), handler.clone());
            moved.push(MovedProbe { kind, target, take: None });
        } else if kind.is_moved(seat.runtime, handler) {
            denials.push(lost(kind));
        } else {
            warnings.extend(seat.unreachable(kind.field(), handler));
        }
    }
    let lifecycle = &seat.runtime.lifecycle;
    for (hook, handler) in [("postStart", &lifecycle.post_start), ("preStop", &lifecycle.pre_stop)]
    {
        warnings.extend(handler.as_ref().and_then(|handler| seat.hook(hook, handler)));
    }
    (moved, original)
}

impl Seat<'_, '_> {
    /// A probe that aims at the upstream port.
    fn to_move(&self, kind: Kind, handler: &Handler<'_>) -> Option<MovedProbe> {
        let target = Target::of(self.runtime, handler, self.upstream)?;
        let field = if handler.http_get.is_some() { "httpGet" } else { "tcpSocket" };
        let place = format!("/spec/containers/{}/{}/{field}", self.index, kind.field());
        let value = self.raw.pointer(&place)?.clone();
        Some(MovedProbe { kind, target, take: Some(TakenHandler { field, value }) })
    }

    /// A probe that was moved before. It may have been rewritten by somebody else since.
    fn remembered<'k>(
        &self,
        kind: Kind,
        known: &'k std::collections::BTreeMap<String, Map<String, Value>>,
    ) -> Option<(Target, &'k Map<String, Value>)> {
        let original = known.get(kind.field())?;
        let value = Value::Object(original.clone());
        let handler: Handler<'_> = serde::Deserialize::deserialize(&value).ok()?;
        Some((Target::of(self.runtime, &handler, self.upstream)?, original))
    }

    /// A gRPC probe of the upstream port: the sidecar cannot make it.
    fn unreachable(&self, field: &str, handler: &Handler<'_>) -> Option<String> {
        let grpc = handler.grpc.as_ref()?;
        aims(self.runtime, grpc, self.upstream).then(|| {
            format!(
                "{field}: a gRPC probe is not moved to the sidecar and fails when the runtime \
                binds loopback only; use httpGet, tcpSocket or exec"
            )
        })
    }

    /// A lifecycle hook that the kubelet would send to the pod's address.
    fn hook(&self, hook: &str, handler: &Handler<'_>) -> Option<String> {
        let get = handler.http_get.as_ref()?;
        let socket = Socket { host: get.host, port: get.port };
        aims(self.runtime, &socket, self.upstream).then(|| {
            format!(
                "lifecycle.{hook}: httpGet fails when the runtime binds loopback only; use exec"
            )
        })
    }
}

fn lost(kind: Kind) -> Denial {
    let message = format!(
        "{} aims at the auth sidecar, but what the sidecar is to ask of the runtime is not known \
         (annotation {}); put the runtime's own probe back",
        kind.field(),
        crate::annotations::ORIGINAL
    );
    Denial::new(Reason::LostProbe, message)
}
