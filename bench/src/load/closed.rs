use std::{cell::Cell, rc::Rc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{Connection, Target};

/// Connections that each send their next request as soon as the last is answered.
pub(crate) struct Closed {
    answered: Rc<Cell<u64>>,
    stopping: Rc<Cell<bool>>,
    tasks: JoinSet<Result<Connection>>,
}

/// What happened in a stretch of time under load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Burst {
    pub(crate) requests: u64,
    pub(crate) took: Duration,
}

/// Longest time for what is under way to be answered.
const LAST_ANSWERS: Duration = Duration::from_secs(20);

impl Closed {
    /// Opens `connections`, then begins. Runs on the current `LocalSet`.
    pub(crate) async fn start(target: &Target, connections: usize) -> Result<Self> {
        let (answered, stopping) = (Rc::<Cell<u64>>::default(), Rc::<Cell<bool>>::default());
        let mut opened = Vec::new();
        for _ in 0..connections {
            let mut connection = Connection::new(target.address);
            connection.open().await?;
            opened.push(connection);
        }
        let mut tasks = JoinSet::new();
        for mut connection in opened {
            let (target, answered, stopping) =
                (target.clone(), Rc::clone(&answered), Rc::clone(&stopping));
            tasks.spawn_local(async move {
                while !stopping.get() {
                    let answer = connection.exchange(&target.requests.next()).await?;
                    ensure!(answer.status == 200, "the answer is {}", answer.status);
                    answered.set(answered.get() + 1);
                }
                Ok(connection)
            });
        }
        Ok(Self { answered, stopping, tasks })
    }

    /// What happens in `time` from now.
    pub(crate) async fn during(&self, time: Duration) -> Burst {
        let (before, start) = (self.answered.get(), Instant::now());
        sleep(time).await;
        Burst { requests: self.answered.get() - before, took: start.elapsed() }
    }

    /// Sends nothing more; the connections stay open until they are dropped.
    pub(crate) async fn stop(mut self) -> Result<Vec<Connection>> {
        self.stopping.set(true);
        let mut connections = Vec::new();
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                connections.push(ended??);
            }
            anyhow::Ok(())
        };
        timeout(LAST_ANSWERS, all).await.context("some requests are never answered")??;
        Ok(connections)
    }
}

impl Burst {
    /// How many requests, as a number to calculate with.
    #[expect(clippy::cast_precision_loss, reason = "some hundred thousand")]
    pub(crate) fn count(&self) -> f64 {
        self.requests as f64
    }

    /// Requests per second.
    pub(crate) fn rate(&self) -> f64 {
        self.count() / self.took.as_secs_f64()
    }
}
