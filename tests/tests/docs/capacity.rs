//! What the capacity table says is set aside is what the chart asks for.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::page::read;

/// Rows that the table must have, as they stand in it.
pub(crate) fn rows() -> Result<Vec<String>> {
    let values: Value = serde_norway::from_str(&read(Path::new("chart/values.yaml"))?)?;
    let profile = read(Path::new("chart/profiles/openclaw.yaml"))?;
    let profile: Value = serde_norway::from_str(&profile)?;
    let sidecar = of(&values, "sidecar")?;
    let plus = |user: [u64; 3]| [user[0] + sidecar[0], user[1] + sidecar[1], user[2] + sidecar[2]];
    let rows = [
        plus(of(&values, "runtime")?),
        plus(of(&profile, "runtime")?),
        of(&values, "webhook")?,
        of(&values, "spawner")?,
    ];
    Ok(rows.map(|[cpu, memory, most]| format!("| {cpu}m | {memory}Mi | {most}Mi |")).into())
}

/// CPU and memory requested, and the limit of memory, in thousandths of a core and in MiB.
fn of(values: &Value, component: &str) -> Result<[u64; 3]> {
    let read = |what: &str, units: &[(&str, u64)]| {
        let pointer = format!("/{component}/resources/{what}");
        let quantity = values.pointer(&pointer).and_then(Value::as_str);
        quantity
            .and_then(|quantity| {
                units.iter().find_map(|(unit, times)| {
                    Some(quantity.strip_suffix(unit)?.parse::<u64>().ok()? * times)
                })
            })
            .with_context(|| format!("{pointer} is not understood: {quantity:?}"))
    };
    const MEMORY: &[(&str, u64)] = &[("Mi", 1), ("Gi", 1024)];
    Ok([
        read("requests/cpu", &[("m", 1)])?,
        read("requests/memory", MEMORY)?,
        read("limits/memory", MEMORY)?,
    ])
}
