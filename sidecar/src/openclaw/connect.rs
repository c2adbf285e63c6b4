//! The first message of a client of OpenClaw: `{"type":"req","method":"connect","params":{..}}`. The
//! gateway token goes into it here, so that no browser ever has it.

use std::fmt;

use edge::{oidc::UnixTime, proxy::FirstMessage};
use serde_json::{Map, Value, json};

use super::device::{Client, Device};

/// Puts the gateway token into an operator's connect message, and the sidecar's device in place of the
/// client's: a device's signature covers the token, so the client's own cannot stay.
///
/// Whatever is no such message passes as it is, and so do the connections of nodes (phones and other
/// hosts), which have a pairing of their own. The secret does not print.
pub struct ConnectFrame {
    token: String,
}

impl ConnectFrame {
    /// With the gateway token, trimmed.
    #[must_use]
    pub fn new(token: String) -> Self {
        Self { token }
    }

    /// The gateway token.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    fn vouched(&self, message: &[u8], now: UnixTime) -> Option<Vec<u8>> {
        // Of two equal names the last one counts, here as in OpenClaw, and one is all that goes on.
        let mut message: Map<String, Value> = serde_json::from_slice(message).ok()?;
        if message.get("type")? != "req" || message.get("method")? != "connect" {
            return None;
        }
        let params = message.get_mut("params")?.as_object_mut()?;
        if !params.get("maxProtocol")?.is_number() {
            return None;
        }
        let device = self.device(params, now)?;
        params.insert("auth".to_owned(), json!({"token": self.token}));
        if let Some(device) = device {
            params.insert("device".to_owned(), device);
        }
        serde_json::to_vec(&message).ok()
    }

    /// The device to put in. `None` is a message that is not ours to change, `Some(None)` one without a
    /// device: OpenClaw knows who has to show one, and only a device's block has the server's nonce.
    fn device(&self, params: &Map<String, Value>, now: UnixTime) -> Option<Option<Value>> {
        let client = client(params)?;
        let Some(claimed) = params.get("device").filter(|device| !device.is_null()) else {
            return Some(None);
        };
        let nonce = claimed.get("nonce")?.as_str()?;
        let device = Device::of(&client, &self.token)?;
        Some(Some(device.block(&client, &self.token, nonce, now)))
    }
}

/// Who says to be connecting, if it is an operator.
fn client(params: &Map<String, Value>) -> Option<Client<'_>> {
    let client = params.get("client")?.as_object()?;
    let scopes = match params.get("scopes") {
        None => Vec::new(),
        Some(scopes) => scopes.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?,
    };
    let client = Client {
        id: text(client, "id")?,
        mode: text(client, "mode")?,
        role: text_or(params, "role", "operator")?,
        scopes,
        platform: text_or(client, "platform", "")?,
        family: text_or(client, "deviceFamily", "")?,
    };
    (client.role == "operator").then_some(client)
}

fn text<'map>(map: &'map Map<String, Value>, name: &str) -> Option<&'map str> {
    map.get(name)?.as_str()
}

/// `None` when it is there and no text.
fn text_or<'map>(
    map: &'map Map<String, Value>,
    name: &str,
    default: &'static str,
) -> Option<&'map str> {
    map.get(name).map_or(Some(default), Value::as_str)
}

impl FirstMessage for ConnectFrame {
    fn replaced(&self, text: &[u8]) -> Option<Vec<u8>> {
        self.vouched(text, UnixTime::now())
    }
}

impl fmt::Debug for ConnectFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectFrame(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(message: &str) -> Option<Value> {
        let frame = ConnectFrame::new("gateway-secret".to_owned());
        let replaced = frame.replaced(message.as_bytes())?;
        Some(serde_json::from_slice(&replaced).unwrap())
    }

    /// What the Control UI says.
    fn connect() -> Value {
        json!({
            "type": "req", "id": "1", "method": "connect",
            "params": {
                "minProtocol": 4, "maxProtocol": 4, "role": "operator",
                "client": {
                    "id": "openclaw-control-ui", "version": "2026.9.6",
                    "platform": "Linux x86_64", "mode": "webchat",
                },
                "scopes": ["operator.admin"],
                "caps": ["tool-events"],
                "auth": {"deviceToken": "d", "password": "p", "bootstrapToken": "b"},
                "device": {
                    "id": "the browser's", "publicKey": "k", "signature": "s",
                    "signedAt": 1, "nonce": "n-1",
                },
            },
        })
    }

    fn changed(pointer: &str, value: Value) -> String {
        let mut message = connect();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        message.pointer_mut(parent).unwrap()[name] = value;
        message.to_string()
    }

    #[test]
    fn the_token_and_our_device_are_put_in_and_the_rest_is_left() {
        let mut message = replaced(&connect().to_string()).unwrap();
        assert_eq!(message["params"]["auth"], json!({"token": "gateway-secret"}));
        let device = message["params"]["device"].take();
        assert_ne!(device["id"], "the browser's");
        assert_eq!(device["nonce"], "n-1");
        let mut expected = connect();
        expected["params"]["auth"] = json!({"token": "gateway-secret"});
        expected["params"]["device"] = Value::Null;
        assert_eq!(message, expected);
    }

    #[test]
    fn a_client_without_a_device_gets_the_token_alone() {
        let mut message = connect();
        message["params"].as_object_mut().unwrap().remove("device");
        let message = replaced(&message.to_string()).unwrap();
        assert_eq!(message["params"]["auth"], json!({"token": "gateway-secret"}));
        assert!(message["params"].get("device").is_none());
    }

    #[test]
    fn of_two_equal_names_one_is_left_and_it_is_ours() {
        let twice = connect()
            .to_string()
            .replacen(r#""params":{"#, r#""params":{"auth":{"token":"first"},"#, 1)
            .replacen(r#""type":"req""#, r#""type":"res","type":"req""#, 1);
        let frame = ConnectFrame::new("gateway-secret".to_owned());
        let replaced = String::from_utf8(frame.replaced(twice.as_bytes()).unwrap()).unwrap();
        assert_eq!(replaced.matches(r#""auth""#).count(), 1, "{replaced}");
        assert!(!replaced.contains("first") && replaced.contains("gateway-secret"));
    }

    #[test]
    fn what_is_no_operators_connect_passes_as_it_is() {
        for message in [
            String::new(),
            "hello".to_owned(),
            "[]".to_owned(),
            r#"{"type":"req","method":"connect"}"#.to_owned(),
            r#"{"jsonrpc":"2.0","id":1,"method":"connect","params":{}}"#.to_owned(),
            format!("{} trailing", connect()),
            format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)),
            changed("/type", json!("event")),
            changed("/method", json!("chat.send")),
            changed("/params", json!([])),
            changed("/params/maxProtocol", json!("4")),
            changed("/params/client", json!("control-ui")),
            changed("/params/client/id", json!(1)),
            changed("/params/role", json!("node")),
            changed("/params/role", json!(null)),
            changed("/params/scopes", json!("operator.admin")),
            changed("/params/scopes", json!([1])),
            changed("/params/client/platform", json!({})),
            changed("/params/device", json!("d")),
            changed("/params/device/nonce", json!(7)),
        ] {
            assert_eq!(replaced(&message), None, "{message}");
        }
    }

    #[test]
    fn the_token_does_not_print() {
        let frame = ConnectFrame::new("gateway-secret".to_owned());
        assert_eq!(format!("{frame:?}"), "ConnectFrame(..)");
    }
}
