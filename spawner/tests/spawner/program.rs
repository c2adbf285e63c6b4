//! The spawner as a process of its own, which can be killed.

use std::{net::SocketAddr, path::Path, process::Stdio};

use edge::{
    oidc::testing::{AUDIENCE, Idp},
    serve::{Limits, Listener, serve},
    shutdown::Shutdown,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

use crate::{
    api_server::{ApiServer, NAMESPACE},
    house::{HANGS, HOME, ISSUER, POD, POLICY},
};

/// A running `spawner serve`.
pub(crate) struct Program {
    pub(crate) address: SocketAddr,
    child: Child,
    _files: TempDir,
}

impl Program {
    /// One more replica over `api`, which listens and may not know the pods yet.
    pub(crate) async fn start(api: &ApiServer) -> Self {
        let files = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| write(files.path(), name, text);
        let kube = file("kubeconfig", &kubeconfig(serve_api(api).await));
        let mut child = Command::new(env!("CARGO_BIN_EXE_spawner"))
            .env_clear()
            .env("KUBECONFIG", kube)
            .args(["serve", "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"])
            .args(["--namespace", NAMESPACE, "--issuer", ISSUER, "--audience", AUDIENCE])
            .args(["--jwks-file", &file("jwks.json", &Idp::shared().jwks().to_string())])
            .args(["--template", &file("pod.yaml", POD)])
            .args(["--network-policy-template", &file("policy.yaml", POLICY)])
            .args(["--home-template", &file("home.yaml", HOME)])
            .args(["--sleep-after=0s", "--max-age=0s", "--log-format=json"])
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut heard = String::new();
        let address = loop {
            let line = timeout(HANGS, lines.next_line()).await.unwrap().unwrap().expect(&heard);
            heard.push_str(&line);
            let line: Value = serde_json::from_str(&line).expect(&heard);
            if line["listener"] == "users" {
                break line["address"].as_str().unwrap().parse().unwrap();
            }
        };
        // Nobody reads the rest; the program goes on without its log.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { address, child, _files: files }
    }

    /// SIGKILL: nothing of it is finished.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn kubeconfig(api: SocketAddr) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": format!("http://{api}")}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "users": [{"name": "me", "user": {}}],
    })
    .to_string()
}

async fn serve_api(api: &ApiServer) -> SocketAddr {
    let listener = Listener::bind(([127, 0, 0, 1], 0).into(), "api").await.unwrap();
    let address = listener.local_addr();
    let (_, shutdown) = Shutdown::manual();
    tokio::spawn(serve(listener, None, api.router(), Limits::default(), shutdown));
    address
}
