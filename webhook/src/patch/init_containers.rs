//! Where the injected init containers stand.
//!
//! The rule: token-sync is the last of the plain init containers, because others may prepare the
//! volume that it writes, and the auth sidecar comes after it. Appending both satisfies it and moves
//! nobody else. Should another webhook append a plain init container later, ours move behind it.

use contract::pod;
use serde_json::Value;

use super::{
    operations::{Operations, element, elements, name},
    same::same,
};

const LIST: [&str; 2] = ["spec", "initContainers"];

pub(super) fn patch(
    pod: &Value,
    desired: &[Value],
    operations: &mut Operations,
    warnings: &mut Vec<String>,
) {
    let actual = elements(pod, &LIST).map_or(&[] as &[Value], Vec::as_slice);
    let places = places(actual, desired);
    for (wanted, place) in desired.iter().zip(&places) {
        let Some((index, found)) = place.and_then(|index| Some((index, actual.get(index)?))) else {
            continue;
        };
        if !same(wanted, found) {
            operations.test_name(pod, &LIST, index);
            operations.replace(element(&LIST, index), wanted.clone());
            warnings.push(replaced(wanted));
        }
    }
    // From the last to the first, so that no index moves before it is used.
    for (index, container) in actual.iter().enumerate().rev() {
        if is_injected(container) && !places.contains(&Some(index)) {
            operations.test_name(pod, &LIST, index);
            operations.remove(element(&LIST, index));
            let wanted = desired.iter().find(|wanted| name(wanted) == name(container));
            if wanted.is_some_and(|wanted| !same(wanted, container)) {
                warnings.push(replaced(container));
            }
        }
    }
    let missing = desired.iter().zip(&places).filter(|(_, place)| place.is_none());
    operations.append(pod, &LIST, missing.map(|(wanted, _)| wanted.clone()).collect());
}

fn replaced(container: &Value) -> String {
    format!("init container {} was not as injected; replaced", name(container))
}

/// For each desired container where it stands rightly, or `None` when it has to be appended.
fn places(actual: &[Value], desired: &[Value]) -> Vec<Option<usize>> {
    let last_plain_of_others =
        actual.iter().rposition(|other| !is_injected(other) && !is_sidecar(other));
    let mut after = None;
    let mut appending = false;
    let mut places = Vec::with_capacity(desired.len());
    for wanted in desired {
        let found = actual.iter().position(|container| name(container) == name(wanted));
        let in_order = |place: &usize| {
            let behind_others =
                is_sidecar(wanted) || last_plain_of_others.is_none_or(|o| o < *place);
            behind_others && after.is_none_or(|previous| previous < *place) && !appending
        };
        let place = found.filter(in_order);
        // What follows an appended one has to be appended as well.
        appending |= place.is_none();
        after = place;
        places.push(place);
    }
    places
}

/// Whether a former injection put it there.
pub(crate) fn is_injected(container: &Value) -> bool {
    [pod::TOKEN_SYNC, pod::AUTH_SIDECAR].contains(&name(container))
}

fn is_sidecar(container: &Value) -> bool {
    container.get("restartPolicy").is_some_and(|policy| policy == "Always")
}
