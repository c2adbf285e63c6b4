//! The API's OpenAPI document. It is written by hand, in `openapi.yaml`; a test compares its paths
//! with the routes, and schemathesis its answers with the real ones.

use std::sync::LazyLock;

use axum::Json;
use serde_json::Value;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    // A constant, and a test reads it.
    serde_norway::from_str(include_str!("openapi.yaml")).unwrap_or_default()
});

/// `GET /openapi.json`, for anyone.
pub(super) async fn document() -> Json<&'static Value> {
    Json(&DOCUMENT)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::DOCUMENT;
    use crate::{api::routes, model::API, state::State, stop::StopReason};

    #[test]
    fn every_route_is_described_and_no_other() {
        let described: BTreeSet<&str> =
            DOCUMENT["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(described, routes().map(|(path, _)| path).into_iter().collect());
        assert_eq!(DOCUMENT["servers"][0]["url"], API);
    }

    #[test]
    fn the_closed_sets_are_those_of_the_code() {
        let listed = |pointer: &str| DOCUMENT.pointer(pointer).unwrap().clone();
        let states = State::ALL.map(State::name);
        assert_eq!(listed("/components/schemas/State/enum"), serde_json::json!(states));
        let reasons = StopReason::ALL.map(StopReason::name);
        let pointer = "/components/schemas/LastStop/properties/reason/enum";
        assert_eq!(listed(pointer), serde_json::json!(reasons));
    }
}
