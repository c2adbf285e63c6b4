//! A realm of a test's own: what its administrator does to it is nobody else's business.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use anyhow::{Context as _, Result, ensure};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{CLIENT, CLIENT_SECRET, Keycloak, Token, Tokens};
use crate::people::{Person, REALM};

/// Name and password of the administrator of a Keycloak that a test starts for itself.
pub(super) const ADMIN: &str = "admin";

/// A realm as in `tests/realm/acme.json`, under another name.
#[derive(Clone, Debug)]
pub struct Realm {
    keycloak: Keycloak,
    name: String,
}

impl Keycloak {
    /// Makes the realm anew.
    ///
    /// # Errors
    /// Keycloak refuses.
    pub async fn realm_of_its_own(&self, name: &str) -> Result<Realm> {
        let keycloak = Self { realm: name.to_owned(), ..self.clone() };
        let realm = Realm { keycloak, name: name.to_owned() };
        let found = realm.call(Method::DELETE, "", None).await?;
        ensure!(matches!(found, StatusCode::NO_CONTENT | StatusCode::NOT_FOUND), "{found}");
        let mut wanted: Value = serde_json::from_str(REALM)?;
        let members = wanted.as_object_mut().context("the realm file is no object")?;
        members.insert("id".to_owned(), json!(name));
        members.insert("realm".to_owned(), json!(name));
        // No two realms of a Keycloak may have the same user id.
        let users = members.get_mut("users").and_then(Value::as_array_mut);
        for user in users.into_iter().flatten().filter_map(Value::as_object_mut) {
            let id = id_in(name, user.get("username").and_then(Value::as_str).unwrap_or_default());
            user.insert("id".to_owned(), json!(id));
        }
        let token = self.administrator().await?;
        let made = self.door.post("/admin/realms").bearer(&token).json(&wanted).send().await?;
        made.expect(StatusCode::CREATED).await?;
        Ok(realm)
    }

    /// A token of the administrator. It lives for a minute, so each call has its own.
    async fn administrator(&self) -> Result<Token> {
        #[derive(Deserialize)]
        struct Grant {
            access_token: String,
        }
        let form = [
            ("grant_type", "password"),
            ("client_id", "admin-cli"),
            ("username", ADMIN),
            ("password", ADMIN),
        ];
        let path = "/realms/master/protocol/openid-connect/token";
        let answer = self.door.post(path).form(&form).send().await?;
        let grant: Grant = answer.expect(StatusCode::OK).await?.json().await?;
        Ok(Token::new(grant.access_token))
    }
}

impl Realm {
    /// The issuer of its tokens.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.keycloak.issuer()
    }

    /// The person of that name, with the id that they have here, each time the realm is made.
    ///
    /// # Errors
    /// That is no id.
    pub fn person(&self, name: &str) -> Result<Person> {
        Ok(Person { name: name.to_owned(), id: id_in(&self.name, name).parse()? })
    }

    /// Signs somebody in at our client.
    ///
    /// # Errors
    /// Keycloak refuses.
    pub async fn sign_in(&self, person: &Person) -> Result<Tokens> {
        self.keycloak.sign_in(person).await
    }

    /// Signs somebody in at a client of the realm.
    ///
    /// # Errors
    /// Keycloak refuses.
    pub async fn sign_in_at(&self, client: &str, person: &Person) -> Result<Tokens> {
        self.keycloak.sign_in_at(client, person).await
    }

    /// New tokens of the same session.
    ///
    /// # Errors
    /// Keycloak refuses.
    pub async fn refresh(&self, tokens: &Tokens) -> Result<Tokens> {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", CLIENT),
            ("client_secret", CLIENT_SECRET),
            ("refresh_token", tokens.refresh.expose()),
        ];
        self.keycloak.grant(&form).await
    }

    /// Signs out of the session that these tokens belong to, as the spawner does for its user.
    ///
    /// # Errors
    /// Keycloak refuses.
    pub async fn sign_out(&self, tokens: &Tokens) -> Result<()> {
        let form = [
            ("client_id", CLIENT),
            ("client_secret", CLIENT_SECRET),
            ("refresh_token", tokens.refresh.expose()),
        ];
        let path = format!("/realms/{}/protocol/openid-connect/logout", self.name);
        let answer = self.keycloak.door.post(&path).form(&form).send().await?;
        answer.expect(StatusCode::NO_CONTENT).await?;
        Ok(())
    }

    /// Ends all of somebody's sessions, as the administrator does.
    ///
    /// # Errors
    /// Keycloak refuses.
    pub async fn sign_out_everywhere(&self, person: &Person) -> Result<()> {
        let path = format!("/users/{}/logout", person.id);
        let status = self.call(Method::POST, &path, None).await?;
        ensure!(status == StatusCode::NO_CONTENT, "no logout of {}: {status}", person.name);
        Ok(())
    }

    /// Has our client told of logouts at `url`.
    ///
    /// # Errors
    /// Keycloak refuses.
    pub async fn tell_logouts_to(&self, url: &str) -> Result<()> {
        let found = self.read(&format!("/clients?clientId={CLIENT}")).await?;
        let mut client = found.get(0).context("the realm lacks our client")?.clone();
        let id = client.get("id").and_then(Value::as_str).context("no id")?.to_owned();
        let attributes = client.get_mut("attributes").and_then(Value::as_object_mut);
        let attributes = attributes.context("the client has no attributes")?;
        attributes.insert("backchannel.logout.url".to_owned(), json!(url));
        let status = self.call(Method::PUT, &format!("/clients/{id}"), Some(client)).await?;
        ensure!(status == StatusCode::NO_CONTENT, "no change of the client: {status}");
        Ok(())
    }

    /// Adds a key that signs from now on; the one before stays published.
    ///
    /// # Errors
    /// Keycloak refuses.
    pub async fn rotate_key(&self) -> Result<()> {
        let key = json!({
            "name": "rotated", "providerId": "rsa-generated", "parentId": self.name,
            "providerType": "org.keycloak.keys.KeyProvider",
            "config": {
                "priority": ["200"], "enabled": ["true"], "active": ["true"],
                "algorithm": ["RS256"], "keySize": ["2048"],
            },
        });
        let status = self.call(Method::POST, "/components", Some(key)).await?;
        ensure!(status == StatusCode::CREATED, "no new key: {status}");
        Ok(())
    }

    /// Takes a key out of use, as after a theft.
    ///
    /// # Errors
    /// The realm has no such key, or Keycloak refuses.
    pub async fn disable_key(&self, kid: &str) -> Result<()> {
        let keys = self.read("/keys").await?;
        let listed = keys.get("keys").and_then(Value::as_array).context("no list of keys")?;
        let key = listed.iter().find(|key| key.get("kid").is_some_and(|found| found == kid));
        let provider = key.and_then(|key| key.get("providerId")).and_then(Value::as_str);
        let path = format!("/components/{}", provider.context("no such key")?);
        let mut component = self.read(&path).await?;
        let config = component.get_mut("config").and_then(Value::as_object_mut);
        let config = config.context("the key has no configuration")?;
        config.insert("enabled".to_owned(), json!(["false"]));
        config.insert("active".to_owned(), json!(["false"]));
        let status = self.call(Method::PUT, &path, Some(component)).await?;
        ensure!(status == StatusCode::NO_CONTENT, "the key stays: {status}");
        Ok(())
    }

    async fn read(&self, path: &str) -> Result<Value> {
        let token = self.keycloak.administrator().await?;
        let call = self.keycloak.door.get(&self.path(path)).bearer(&token);
        call.send().await?.expect(StatusCode::OK).await?.json().await
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<StatusCode> {
        let token = self.keycloak.administrator().await?;
        let call = self.keycloak.door.call(method, &self.path(path)).bearer(&token);
        let call = match body {
            Some(body) => call.json(&body),
            None => call,
        };
        Ok(call.send().await?.status)
    }

    fn path(&self, rest: &str) -> String {
        format!("/admin/realms/{}{rest}", self.name)
    }
}

/// The id of a user of a realm: a UUID of version 8 (RFC 9562 section 5.8), out of the two names.
fn id_in(realm: &str, user: &str) -> String {
    let mut hasher = DefaultHasher::new();
    (realm, user).hash(&mut hasher);
    let hash = format!("{:016x}", hasher.finish());
    let (first, last) = hash.split_at(8);
    format!("{first}-2222-8333-8444-5555{last}")
}
