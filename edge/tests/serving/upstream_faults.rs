use crate::support::{Recorder, Server, exchange, proxy, status};

const REQUEST: &str = "GET /private?q=1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

async fn through_proxy_to(answer: &str) -> String {
    let upstream = Recorder::answering(answer).await;
    let server = Server::start(proxy(upstream.address)).await;
    exchange(server.address, REQUEST).await
}

#[tokio::test]
async fn an_upstream_that_does_not_listen_is_503_and_worth_a_retry() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server::start(proxy(free)).await;
    let answer = exchange(server.address, REQUEST).await;
    assert_eq!(status(&answer), 503);
    assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
    assert!(answer.contains("content-type: application/problem+json\r\n"), "{answer}");
    assert!(answer.contains(r#""code":"upstream_refused""#), "{answer}");
    assert!(!answer.contains(&free.port().to_string()), "nothing internal: {answer}");
}

#[tokio::test]
async fn an_upstream_that_speaks_no_http_is_502() {
    let answer = through_proxy_to("SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
    assert_eq!(status(&answer), 502);
    assert!(answer.contains(r#""code":"upstream_broken""#), "{answer}");
}

#[tokio::test]
async fn an_upstream_that_switches_unasked_is_502() {
    let answer = through_proxy_to(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    )
    .await;
    assert_eq!(status(&answer), 502, "{answer}");
}

#[tokio::test]
async fn a_body_that_is_cut_upstream_is_cut_here() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::start(proxy(listener.local_addr().unwrap())).await;
    let upstream = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, head).await.unwrap();
        tokio::io::AsyncReadExt::read_u8(&mut stream).await.unwrap();
    };
    let (answer, ()) = tokio::join!(exchange(server.address, REQUEST), upstream);
    assert!(!answer.ends_with("0\r\n\r\n"), "the client can tell: {answer}");
}
