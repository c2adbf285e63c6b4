//! The bytes of one WebSocket, both ways, until an end closes, the session ends, the server does, or
//! nobody says anything. In the last three cases the client gets a Close frame that tells why, after the frame in flight.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{
    io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::watch,
    time::sleep,
};

use super::{
    forward::{Life, Over},
    frames::{Frames, close},
    opening::Opening,
};
use crate::activity::Activity;

/// Bytes held per direction. Chat frames are small, and open WebSockets are many.
const BUFFER: usize = 4 * 1024;
/// How long the rest may take once one direction has ended. WebSocket has no half-open state worth
/// keeping.
const LINGER: Duration = Duration::from_secs(1);

pub(super) async fn run(
    client: impl AsyncRead + AsyncWrite,
    upstream: impl AsyncRead + AsyncWrite,
    opening: Opening,
    life: Life,
) {
    let _open = life.activity().map(Activity::websocket);
    let (client_reads, client_writes) = io::split(client);
    let (upstream_reads, upstream_writes) = io::split(upstream);
    let (tell, end) = watch::channel(None);
    let heard = AtomicU64::new(0);
    let up = std::pin::pin!(up(
        client_reads,
        upstream_writes,
        opening,
        End(end.clone()),
        &heard,
        life.activity()
    ));
    let down = std::pin::pin!(down(upstream_reads, client_writes, End(end), &heard));
    // A peer that takes nothing must not hold its direction open.
    let overdue = std::pin::pin!(async {
        let silence = life.tunnels().silence();
        let reason = tokio::select! {
            reason = life.clone().over() => reason,
            () = silent(silence, &heard) => {
                life.tunnels().was_silent();
                Over::Silence
            }
        };
        tell.send_replace(Some(reason));
        sleep(LINGER).await;
    });
    let both = async {
        match futures::future::select(up, down).await {
            futures::future::Either::Left((_, rest)) => rest_of(rest).await,
            futures::future::Either::Right((_, rest)) => rest_of(rest).await,
        }
    };
    futures::future::select(std::pin::pin!(both), overdue).await;
}

/// Resolves when nothing was heard for `limit` at least, and twice that at most.
async fn silent(limit: Option<Duration>, heard: &AtomicU64) {
    let Some(limit) = limit else { return std::future::pending().await };
    let mut before = None;
    loop {
        let now = heard.load(Ordering::Relaxed);
        if before.replace(now) == Some(now) {
            return;
        }
        sleep(limit).await;
    }
}

/// Tells both directions when and why the tunnel has to end.
struct End(watch::Receiver<Option<Over>>);

impl End {
    async fn over(mut self) -> Over {
        let over = match self.0.wait_for(Option::is_some).await {
            Ok(over) => *over,
            Err(_) => None,
        };
        match over {
            Some(over) => over,
            None => std::future::pending().await,
        }
    }
}

async fn rest_of(direction: impl Future<Output = io::Result<()>>) {
    // Both outcomes end the tunnel.
    let _ = tokio::time::timeout(LINGER, direction).await;
}

/// Client to upstream. Once it is over, nothing that the client still says reaches the upstream, but
/// it is read: a socket closed with unread bytes resets, and the Close frame could be lost.
async fn up(
    mut client: impl AsyncRead + Unpin,
    mut upstream: impl AsyncWrite + Unpin,
    mut opening: Opening,
    end: End,
    heard: &AtomicU64,
    activity: Option<&Activity>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut frames = Frames::default();
    let mut over = std::pin::pin!(end.over());
    loop {
        let bytes = tokio::select! {
            biased;
            _ = over.as_mut() => break,
            bytes = read(&mut client, &mut buffer) => bytes?,
        };
        if bytes.is_empty() {
            return upstream.shutdown().await;
        }
        heard.fetch_add(1, Ordering::Relaxed);
        if let Some(activity) = activity
            && frames.pass(bytes)
        {
            activity.data_frame();
        }
        upstream.write_all(&opening.pass(bytes)).await?;
    }
    upstream.shutdown().await?;
    io::copy(&mut client, &mut io::sink()).await.map(drop)
}

/// Upstream to client.
async fn down(
    mut upstream: impl AsyncRead + Unpin,
    mut client: impl AsyncWrite + Unpin,
    end: End,
    heard: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut frames = Frames::default();
    let mut over = std::pin::pin!(end.over());
    let reason = loop {
        let bytes = tokio::select! {
            biased;
            reason = over.as_mut() => break reason,
            bytes = read(&mut upstream, &mut buffer) => bytes?,
        };
        if bytes.is_empty() {
            return client.shutdown().await;
        }
        heard.fetch_add(1, Ordering::Relaxed);
        frames.pass(bytes);
        client.write_all(bytes).await?;
    };
    while !frames.at_boundary() {
        let bytes = read(&mut upstream, &mut buffer).await?;
        if bytes.is_empty() {
            break;
        }
        let rest = frames.pass_frame(bytes);
        client.write_all(bytes.get(..rest).unwrap_or_default()).await?;
    }
    client.write_all(&farewell(reason)).await?;
    client.shutdown().await
}

/// What is there to read; empty at the end.
async fn read<'a>(
    from: &mut (impl AsyncRead + Unpin),
    buffer: &'a mut [u8],
) -> io::Result<&'a [u8]> {
    let count = from.read(buffer).await?;
    Ok(buffer.get(..count).unwrap_or_default())
}

/// Codes of RFC 6455 section 7.4.1 and of IANA's registry: 1012 tells a client to come again, which
/// leads to another replica, or to the pod that follows.
fn farewell(reason: Over) -> Vec<u8> {
    match reason {
        Over::Session => close(1008, "session ended"),
        Over::Server => close(1012, "server is restarting"),
        Over::Silence => close(1001, "nobody said anything"),
    }
}
