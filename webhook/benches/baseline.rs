//! What there is to compare with: the same server, TLS and HTTP, and a handler that reads the
//! question and says yes.

use std::path::Path;

use axum::{Json, Router, routing::post};
use edge::{
    serve::{Limits, Listener, TlsConfig},
    shutdown::Shutdown,
};
use serde_json::{Value, json};

use crate::Result;

/// Serves with the certificate in `folder` until the process is ended, and prints where.
pub(crate) async fn serve(folder: &Path) -> Result<()> {
    let read = |name: &str| std::fs::read(folder.join(name));
    let tls = edge::tls::server_config(&read("tls.crt")?, &read("tls.key")?)?;
    let listener = Listener::bind("127.0.0.1:0".parse()?, "admissions").await?;
    println!("admissions {}", listener.local_addr());
    let (_trigger, shutdown) = Shutdown::manual();
    let router = Router::new().route("/mutate", post(yes));
    edge::serve::serve(listener, Some(TlsConfig::new(tls)), router, Limits::default(), shutdown)
        .await;
    Ok(())
}

async fn yes(Json(review): Json<Value>) -> Json<Value> {
    let uid = review.pointer("/request/uid").cloned().unwrap_or_default();
    Json(json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": uid, "allowed": true},
    }))
}
