//! Probes of the runtime that go to the sidecar. Only the handler changes: delays, periods and
//! thresholds are the author's.

use super::operations::{Operations, element};
use crate::{
    original::Original,
    plan::{MovedProbe, Plan, TakenHandler},
};

/// Probes whose handler is still in the pod.
pub(super) fn to_take(plan: &Plan) -> impl Iterator<Item = (&MovedProbe, &TakenHandler)> {
    plan.probes.iter().filter_map(|probe| Some((probe, probe.take.as_ref()?)))
}

pub(super) fn patch(plan: &Plan, original: &mut Original, operations: &mut Operations) {
    for (probe, TakenHandler { field, value }) in to_take(plan) {
        let kind = probe.kind;
        let place =
            element(&["spec", "containers"], plan.runtime).with_trailing_token(kind.field());
        if *field != "httpGet" {
            operations.remove(place.with_trailing_token(*field));
        }
        operations.add(place.with_trailing_token("httpGet"), kind.moved());
        let handler = [((*field).to_owned(), value.clone())].into_iter().collect();
        original.probes.insert(kind.field().to_owned(), handler);
    }
}
