//! The API server's own account of what it sent, weighs and keeps: its metrics.

use anyhow::Result;
use axum::http::Request;

use super::cluster::Cluster;

/// What a spawner reads. Bytes about other resources are not its doing.
const READ: [&str; 4] = ["pods", "events", "configmaps", "networkpolicies"];

/// A moment. Everything in bytes.
#[derive(Debug)]
pub(super) struct Account {
    /// In answers and in watches, about what a spawner reads, since the API server's start.
    pub(super) sent: f64,
    /// The API server's resident memory.
    pub(super) memory: f64,
    /// The file of etcd's database.
    pub(super) stored: f64,
}

impl Cluster {
    /// Now.
    pub(super) async fn account(&self) -> Result<Account> {
        let request = Request::get("/metrics").body(Vec::new())?;
        Ok(Account::of(&self.client.request_text(request).await?))
    }
}

impl Account {
    /// In the text that metrics are told in.
    fn of(metrics: &str) -> Self {
        let read = |name: &str| -> f64 {
            READ.iter().map(|it| sum(metrics, name, &format!("resource=\"{it}\""))).sum()
        };
        Self {
            sent: read("apiserver_response_sizes_sum") + read("apiserver_watch_events_sizes_sum"),
            memory: sum(metrics, "process_resident_memory_bytes", ""),
            stored: sum(metrics, "apiserver_storage_size_bytes", ""),
        }
    }
}

/// The sum of the series of that name with that label.
fn sum(metrics: &str, name: &str, label: &str) -> f64 {
    let values = metrics.lines().filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let (known, labels) = series.split_once('{').unwrap_or((series, ""));
        (known == name && labels.contains(label)).then(|| value.parse::<f64>().ok())?
    });
    values.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_what_a_spawner_reads() {
        let account = Account::of(
            "# HELP process_resident_memory_bytes x\n\
             process_resident_memory_bytes 3e+08\n\
             apiserver_response_sizes_sum{resource=\"pods\",verb=\"LIST\"} 100\n\
             apiserver_response_sizes_sum{resource=\"secrets\",verb=\"LIST\"} 1\n\
             apiserver_response_sizes_count{resource=\"pods\",verb=\"LIST\"} 2\n\
             apiserver_watch_events_sizes_sum{group=\"\",resource=\"pods\"} 50\n\
             apiserver_storage_size_bytes{storage_cluster_id=\"etcd-0\"} 7\n",
        );
        assert_eq!((account.sent, account.memory, account.stored), (150.0, 3e8, 7.0));
    }
}
