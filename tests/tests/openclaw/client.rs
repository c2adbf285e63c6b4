//! OpenClaw's own command line at the public address, with nothing but its user's token.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{browser::Front, cluster::Cluster, install::PUBLIC_URL, keycloak::Token, openclaw};
use tokio::process::Command;

use crate::front;

#[tokio::test]
async fn openclaws_own_client_chats_at_the_public_address_with_its_users_token() -> Result<()> {
    let Some(stage) = openclaw::alone(json!({})).await? else { return Ok(()) };
    let front = front(&stage).await?;
    let client = Client::installed(&stage.cluster, &front).await?;
    let alice = stage.sign_in("alice").await?;
    stage.start_pod_of(&alice).await?;
    let before = stage.new_api.last_number().await?;
    let said = client.says("good evening", &alice.tokens.access).await?;
    assert_eq!(said.pointer("/status"), Some(&json!("ok")), "{said}");
    let text = said.pointer("/result/payloads/0/text").and_then(Value::as_str);
    assert_eq!(text, Some("Hello alice, stand-in-1 here. You said: good evening"), "{said}");
    let chats = stage.new_api.chats_since(before, &alice.person.newapi_key()).await?;
    assert_eq!(chats.len(), 1, "asked with alice's own key: {chats:?}");

    let refused = client.says("good night", &Token::new("not.a.token".to_owned())).await?;
    assert_eq!(refused.pointer("/ok"), Some(&json!(false)), "{refused}");
    Ok(())
}

/// OpenClaw on this host, as somebody has it at home.
struct Client {
    home: TempDir,
}

impl Client {
    /// The OpenClaw of the pods' image, told where the gateway is and how the way there is opened: its
    /// `gateway.remote.edgeAuth` is made for what stands before a gateway.
    async fn installed(cluster: &Cluster, front: &Front) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let (_, tag) = cluster.openclaw_image.rsplit_once(':').context("an image without a tag")?;
        let layer = cluster.cache.join(format!("openclaw/{tag}.tar.gz"));
        let mut tar = Command::new("tar");
        tar.arg("-xzf").arg(&layer).arg("-C").arg(home.path());
        ensure!(tar.status().await?.success(), "cannot unpack {}", layer.display());
        fs::write(home.path().join("ca.pem"), front.ca())?;
        let token = json!({"source": "env", "provider": "default", "id": "USER_TOKEN"});
        let url = PUBLIC_URL.replace("https", "wss");
        // It wants a gateway token too, and any will do.
        let remote = json!({"url": url, "token": "any", "edgeAuth": {"Authorization": token}});
        let config = json!({
            "gateway": {"mode": "remote", "remote": remote},
            "secrets": {"providers": {"default": {"source": "env"}}},
        });
        fs::create_dir(home.path().join(".openclaw"))?;
        fs::write(home.path().join(".openclaw/openclaw.json"), config.to_string())?;
        Ok(Self { home })
    }

    /// `openclaw agent --message`, and what it prints.
    async fn says(&self, text: &str, token: &Token) -> Result<Value> {
        let home: &Path = self.home.path();
        let mut openclaw = Command::new(home.join("usr/local/bin/node"));
        openclaw.arg(home.join("app/node_modules/openclaw/dist/index.js"));
        openclaw.args(["agent", "--agent", "main", "--json", "--message", text]);
        openclaw.env("HOME", home).env("USER_TOKEN", format!("Bearer {}", token.expose()));
        openclaw.env("NODE_EXTRA_CA_CERTS", home.join("ca.pem"));
        let ended = openclaw.kill_on_drop(true).output().await?;
        let said = String::from_utf8_lossy(&ended.stdout);
        serde_json::from_str(&said).with_context(|| {
            format!("openclaw said {said:?} and {}", String::from_utf8_lossy(&ended.stderr))
        })
    }
}
