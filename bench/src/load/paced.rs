use std::{cell::RefCell, rc::Rc, thread, time::Duration};

use anyhow::{Result, ensure};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};

use super::{Connection, Target};

/// Answers' times, sorted; those of [`paced`] are in microseconds.
#[derive(Clone, Debug)]
pub(crate) struct Latency(Vec<f64>);

impl Latency {
    /// Of times in any order, and in any unit.
    pub(crate) fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    /// The time within which `percent` of the requests were answered.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into thousands of samples"
        )]
        let index = (percent / 100.0 * last as f64).round() as usize;
        self.0.get(index).copied().unwrap_or(f64::NAN)
    }
}

/// Sends `rate` requests a second for `time`, whatever the answers do. Each counts from the moment
/// it was due, so a slow answer that holds up others shows in all of them (no coordinated omission).
pub(crate) async fn paced(
    target: &Target,
    connections: usize,
    rate: u32,
    time: Duration,
) -> Result<Latency> {
    let took = Rc::<RefCell<Vec<f64>>>::default();
    let mut lanes = Vec::new();
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let (sender, mut due) = mpsc::unbounded_channel::<Instant>();
        lanes.push(sender);
        let (target, took) = (target.clone(), Rc::clone(&took));
        let mut connection = Connection::new(target.address);
        connection.open().await?;
        tasks.spawn_local(async move {
            while let Some(due) = due.recv().await {
                let answer = connection.exchange(&target.requests.next()).await?;
                ensure!(answer.status == 200, "the answer is {}", answer.status);
                took.borrow_mut().push(due.elapsed().as_secs_f64() * 1e6);
            }
            Ok(())
        });
    }
    let clock = thread::spawn(move || tick(&lanes, rate, time));
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    ensure!(clock.join().is_ok(), "the clock stopped");
    Ok(Latency::of(took.take()))
}

/// The clock, a thread of its own: the runtime's timers are a millisecond coarse. A request is due
/// when the clock says so; that the clock itself is woken late is no delay of the server's.
fn tick(lanes: &[mpsc::UnboundedSender<Instant>], rate: u32, time: Duration) {
    let start = Instant::now();
    let interval = Duration::from_secs(1) / rate.max(1);
    let mut next = start;
    for lane in lanes.iter().cycle() {
        if next - start >= time {
            return;
        }
        while let Some(left) = next.checked_duration_since(Instant::now()).filter(|t| !t.is_zero())
        {
            thread::park_timeout(left);
        }
        if lane.send(Instant::now()).is_err() {
            return;
        }
        next += interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_samples() {
        let latency = Latency((0..=100).map(f64::from).collect());
        assert_eq!(latency.percentile(50.0), 50.0);
        assert_eq!(latency.percentile(99.0), 99.0);
        assert!(Latency(Vec::new()).percentile(50.0).is_nan());
    }
}
