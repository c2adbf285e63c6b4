//! Our volumes, told by their names. That no container of another mounts them was decided before.

use serde_json::Value;

use super::{
    operations::{Operations, element, elements, name},
    same::same,
};
use crate::inject;

const VOLUMES: [&str; 2] = ["spec", "volumes"];

pub(super) fn patch(
    pod: &Value,
    desired: &[Value],
    operations: &mut Operations,
    warnings: &mut Vec<String>,
) {
    let actual = elements(pod, &VOLUMES).map_or(&[] as &[Value], Vec::as_slice);
    let place = |wanted: &Value| actual.iter().position(|volume| name(volume) == name(wanted));
    let mut missing = Vec::new();
    for wanted in desired {
        match place(wanted).and_then(|index| Some((index, actual.get(index)?))) {
            None => missing.push(wanted.clone()),
            Some((_, volume)) if same(wanted, volume) => {}
            Some((index, _)) => {
                operations.test_name(pod, &VOLUMES, index);
                operations.replace(element(&VOLUMES, index), wanted.clone());
                let name = name(wanted);
                warnings.push(format!("volume {name} was not as injected; replaced"));
            }
        }
    }
    // From the last to the first, so that no index moves before it is used.
    for (index, volume) in actual.iter().enumerate().rev() {
        let wanted = desired.iter().any(|wanted| name(wanted) == name(volume));
        if is_injected(volume) && !wanted {
            operations.test_name(pod, &VOLUMES, index);
            operations.remove(element(&VOLUMES, index));
        }
    }
    operations.append(pod, &VOLUMES, missing);
}

/// Whether a former injection put it there.
pub(crate) fn is_injected(volume: &Value) -> bool {
    inject::VOLUMES.contains(&name(volume))
}
