//! Cutting a spawner off at a write.

use axum::{body::Body, extract::State, middleware::Next, response::Response};
use http::Request;

use super::{ApiServer, Cut};

/// Whoever makes the write at which it is to be cut off waits for ever.
pub(super) async fn cut_off(
    State(api): State<ApiServer>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let verb = match request.method().as_str() {
        "POST" => "create",
        "PATCH" if request.uri().path().contains("/networkpolicies/") => "apply",
        "PATCH" => "annotate",
        "DELETE" => "delete",
        _ => return next.run(request).await,
    };
    let cut = {
        let mut objects = api.lock();
        let path = request.uri().path();
        let here = |cut: &mut Cut| {
            cut.call.split_once(' ').is_some_and(|(what, kind)| {
                let kind = kind.replace("policy", "polic").replace("home", "persistentvolumeclaim");
                what == verb && path.contains(&format!("/{kind}"))
            })
        };
        objects.cut_at.take_if(here)
    };
    let Some(cut) = cut else { return next.run(request).await };
    if cut.done {
        next.run(request).await;
    }
    api.note(format!("cut off at {}", cut.call));
    std::future::pending().await
}
