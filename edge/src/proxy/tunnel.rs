//! The bytes of one WebSocket, both ways, until an end closes, the session ends or the server does.
//! In the last two cases the client gets a Close frame that tells why, after the frame in flight.

use std::time::Duration;

use tokio::{
    io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::sleep,
};

use super::{
    forward::{Life, Over},
    frames::{Frames, close},
};

/// Bytes held per direction. Chat frames are small, and open WebSockets are many.
const BUFFER: usize = 4 * 1024;
/// How long the rest may take once one direction has ended. WebSocket has no half-open state worth
/// keeping.
const LINGER: Duration = Duration::from_secs(1);

pub(super) async fn run(
    client: impl AsyncRead + AsyncWrite,
    upstream: impl AsyncRead + AsyncWrite,
    life: Life,
) {
    let (client_reads, client_writes) = io::split(client);
    let (upstream_reads, upstream_writes) = io::split(upstream);
    let up = std::pin::pin!(up(client_reads, upstream_writes, life.clone()));
    let down = std::pin::pin!(down(upstream_reads, client_writes, life.clone()));
    // A peer that takes nothing must not hold its direction open.
    let overdue = std::pin::pin!(async {
        life.over().await;
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

async fn rest_of(direction: impl Future<Output = io::Result<()>>) {
    // Both outcomes end the tunnel.
    let _ = tokio::time::timeout(LINGER, direction).await;
}

/// Client to upstream. Once it is over, nothing that the client still says reaches the upstream, but
/// it is read: a socket closed with unread bytes resets, and the Close frame could be lost.
async fn up(
    mut client: impl AsyncRead + Unpin,
    mut upstream: impl AsyncWrite + Unpin,
    life: Life,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut over = std::pin::pin!(life.over());
    loop {
        let bytes = tokio::select! {
            biased;
            _ = over.as_mut() => break,
            bytes = read(&mut client, &mut buffer) => bytes?,
        };
        if bytes.is_empty() {
            return upstream.shutdown().await;
        }
        upstream.write_all(bytes).await?;
    }
    upstream.shutdown().await?;
    io::copy(&mut client, &mut io::sink()).await.map(drop)
}

/// Upstream to client.
async fn down(
    mut upstream: impl AsyncRead + Unpin,
    mut client: impl AsyncWrite + Unpin,
    life: Life,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut frames = Frames::default();
    let mut over = std::pin::pin!(life.over());
    let reason = loop {
        let bytes = tokio::select! {
            biased;
            reason = over.as_mut() => break reason,
            bytes = read(&mut upstream, &mut buffer) => bytes?,
        };
        if bytes.is_empty() {
            return client.shutdown().await;
        }
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

/// Codes of RFC 6455 section 7.4.1.
fn farewell(reason: Over) -> Vec<u8> {
    match reason {
        Over::Session => close(1008, "session ended"),
        Over::Server => close(1001, "server is going away"),
    }
}
