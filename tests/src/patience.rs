//! Waiting for the outside world, so that whoever watches knows for what and since when.

use std::{
    io::{self, Write as _},
    pin::pin,
    time::Duration,
};

use anyhow::{Result, bail};
use tokio::time::{Instant, interval_at, sleep, timeout};

/// Time between two looks at something that cannot be watched.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// A wait that nobody has to be told about.
const SHORT: Duration = Duration::from_millis(500);

/// Time after which a long wait says that it is still waiting.
const REMINDER: Duration = Duration::from_secs(15);

/// Does `work`, and says on stderr what it is and how long it took, unless that is no time at all.
///
/// # Errors
/// Those of `work`.
pub async fn during<T>(what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let started = Instant::now();
    let mut reminders = interval_at(started + SHORT, REMINDER);
    let mut work = pin!(work);
    let mut told = false;
    let done = loop {
        tokio::select! {
            done = &mut work => break done?,
            _ = reminders.tick() => {
                let so_far = if told { format!(": {} so far", seconds(started.elapsed())) } else { String::new() };
                say(&format!("… {what}{so_far}"));
                told = true;
            }
        }
    };
    if told {
        say(&format!("· {what}: {}", seconds(started.elapsed())));
    }
    Ok(done)
}

/// To stderr itself: what `eprintln!` writes is kept back while a test runs, and a wait is for whoever
/// is waiting now.
pub(crate) fn say(line: &str) {
    // Nobody to tell is no reason to stop.
    drop(writeln!(io::stderr(), "  {line}"));
}

/// Waits until `look` says yes.
///
/// # Errors
/// `limit` has passed, or `look` failed.
pub async fn until<F>(limit: Duration, mut look: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<bool>>,
{
    let looking = async {
        while !look().await? {
            sleep(BETWEEN_LOOKS).await;
        }
        Ok(())
    };
    match timeout(limit, looking).await {
        Ok(seen) => seen,
        Err(_) => bail!("not within {} s", limit.as_secs()),
    }
}

/// A duration for people: `0.4 s`.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_when_it_is_so_and_at_its_limit() {
        let mut looks = 0;
        let third = || {
            looks += 1;
            let seen = looks == 3;
            async move { Ok(seen) }
        };
        until(Duration::from_secs(60), third).await.unwrap();
        assert_eq!(looks, 3);
        let error = until(Duration::ZERO, || async { Ok(false) }).await.unwrap_err();
        assert_eq!(error.to_string(), "not within 0 s");
    }
}
