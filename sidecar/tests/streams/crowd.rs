//! Many WebSockets at once, in which nobody speaks.

use futures::{SinkExt, StreamExt, future::join_all};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, accept_async, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use crate::program::{Program, soon};

const CROWD: usize = 1000;
/// KiB of the sidecar for each WebSocket: two 4 KiB buffers, two sockets' states, and what a debug
/// build adds.
const MOST_EACH: usize = 64;

/// Both ends of all sockets are in this process, and the program inherits the limit.
fn allow_many_files() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
}

async fn echo(listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let (mut out, mut messages) = accept_async(stream).await?.split();
            while let Some(Ok(message)) = messages.next().await {
                if message.is_text() {
                    out.send(message).await?;
                }
            }
            Ok::<(), Error>(())
        });
    }
}

async fn open(program: &Program, token: &str) -> WebSocketStream<TcpStream> {
    let mut request = format!("ws://{}/chat", program.data).into_client_request().unwrap();
    let authorization = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", authorization);
    let (socket, _) = client_async(request, program.connect().await).await.unwrap();
    socket
}

#[tokio::test]
async fn a_thousand_idle_websockets_stay_open_and_are_told_the_end() {
    allow_many_files();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    tokio::spawn(echo(listener));
    let program = Program::start(upstream, &["--drain-deadline=0s"]).await;
    let token = Program::token();
    drop(open(&program, &token).await);
    let before = program.memory("VmRSS");
    let mut sockets = Vec::new();
    while sockets.len() < CROWD {
        sockets.extend(soon(join_all((0..50).map(|_| open(&program, &token)))).await);
    }
    let metrics = program.metrics().await;
    assert!(metrics.contains(&format!("\nopenclaw_http_tunnels {CROWD}\n")), "{metrics}");
    let each = (program.memory("VmRSS") - before) / CROWD;
    assert!(each < MOST_EACH, "{each} KiB each");
    for socket in &mut sockets {
        socket.send("still there".into()).await.unwrap();
        assert_eq!(soon(socket.next()).await.unwrap().unwrap(), "still there".into());
    }
    program.terminate();
    for socket in &mut sockets {
        match soon(socket.next()).await {
            Some(Ok(Message::Close(Some(frame)))) => assert_eq!(u16::from(frame.code), 1012),
            other => unreachable!("no close frame: {other:?}"),
        }
    }
    let (code, log) = program.ended().await;
    assert_eq!(code, Some(0), "{log}");
}
