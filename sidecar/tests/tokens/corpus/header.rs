//! What the header may say.

use edge::oidc::Rejection::*;
use serde_json::{Value, json};

use super::{Cases, Mint};
use crate::case::Setting;

pub(super) fn cases(mint: &Mint) -> Cases {
    let mut cases = Cases::new(Setting::Plain, "header");
    types(mint, &mut cases);
    algorithms(mint, &mut cases);
    key_ids(mint, &mut cases);
    extensions(mint, &mut cases);
    texts(mint, &mut cases);
    cases
}

fn types(mint: &Mint, cases: &mut Cases) {
    let typed =
        |typ: &Value| mint.headed("RS256", &json!({"alg": "RS256", "kid": "rsa", "typ": typ}));
    for typ in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"] {
        cases.good(&format!("typ {typ}"), typed(&json!(typ)));
    }
    let others = ["logout+jwt", "dpop+jwt", "JOSE", "application/jwt", "secevent+jwt", "", "JWT "];
    for typ in others {
        cases.bad(&format!("typ {typ:?}"), typed(&json!(typ)), OtherHeaderType);
    }
    for typ in [json!(null), json!(["JWT"]), json!(1)] {
        cases.bad(&format!("typ {typ}"), typed(&typ), OtherHeaderType);
    }
}

fn algorithms(mint: &Mint, cases: &mut Cases) {
    for alg in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"] {
        let header = json!({"alg": alg, "kid": mint.idp.kid(alg)});
        cases.good(&format!("alg {alg}"), mint.headed(alg, &header));
    }
    let others = [
        json!("none"),
        json!("None"),
        json!("HS256"),
        json!("HS384"),
        json!("HS512"),
        json!("RS1"),
        json!("ES512"),
        json!("ES256K"),
        json!("rs256"),
        json!("RS256 "),
        json!(""),
        json!(null),
        json!(["RS256"]),
        json!({"RS256": 1}),
        json!(256),
        json!("RSA-OAEP"),
        json!("dir"),
    ];
    for alg in others {
        let header = json!({"alg": alg, "kid": "rsa"});
        cases.bad(&format!("alg {alg}"), mint.headed("RS256", &header), UnsupportedAlgorithm);
    }
    let none = mint.headed("RS256", &json!({"kid": "rsa"}));
    cases.bad("no alg", none, UnsupportedAlgorithm);
}

fn key_ids(mint: &Mint, cases: &mut Cases) {
    cases.bad("no kid", mint.headed("RS256", &json!({"alg": "RS256"})), MissingKeyId);
    for kid in [json!(7), json!(null), json!(["rsa"]), json!({"kid": "rsa"}), json!(true)] {
        let token = mint.headed("RS256", &json!({"alg": "RS256", "kid": kid}));
        cases.bad(&format!("kid {kid}"), token, MissingKeyId);
    }
    for kid in ["", "RSA", "rsa ", "made-up", "../../etc/passwd", "' OR 1=1 --", "enc"] {
        let token = mint.headed("RS256", &json!({"alg": "RS256", "kid": kid}));
        cases.bad(&format!("kid {kid:?}"), token, UnknownKey);
    }
}

fn extensions(mint: &Mint, cases: &mut Cases) {
    let extended = |name: &str, value: &Value| {
        let mut header = json!({"alg": "RS256", "kid": "rsa"});
        header[name] = value.clone();
        mint.headed("RS256", &header)
    };
    for crit in [json!(["exp"]), json!([]), json!(null), json!("b64"), json!(["b64"])] {
        cases.bad(&format!("crit {crit}"), extended("crit", &crit), CriticalHeader);
    }
    let own = mint.stranger.jwk();
    for (name, value) in [
        ("jwk", &own),
        ("jwk", &json!(null)),
        ("jku", &json!("https://evil.example/jwks")),
        ("x5u", &json!("https://evil.example/x5u")),
        ("x5c", &json!(["MIIB"])),
    ] {
        let case = format!("{name} {value:.20}");
        cases.bad(&case, extended(name, value), BringsItsKey);
    }
    let with_own_key = json!({"alg": "RS256", "kid": "rsa", "jwk": own}).to_string();
    let claims = mint.claims(json!({})).to_string();
    let signed_with_it = mint.stranger.sign("RS256", &with_own_key, &claims);
    cases.bad("signed with the key in it", signed_with_it, BringsItsKey);
    for (name, value) in [
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
    ] {
        cases.bad(&format!("{name} {value}"), extended(name, &value), OtherPayload);
    }
    for name in ["x5t", "x5t#S256", "cty", "custom"] {
        cases.good(&format!("{name}, which is ignored"), extended(name, &json!("AAAA")));
    }
}

fn texts(mint: &Mint, cases: &mut Cases) {
    let claims = mint.claims(json!({})).to_string();
    for (name, header) in [
        ("alg twice", r#"{"alg":"RS256","alg":"RS256","kid":"rsa"}"#),
        ("none, then RS256", r#"{"alg":"none","alg":"RS256","kid":"rsa"}"#),
        ("kid twice, once escaped", r#"{"alg":"RS256","kid":"a","\u006bid":"rsa"}"#),
        ("an array", r#"["RS256"]"#),
        ("a text", r#""RS256""#),
        ("no JSON", "alg=RS256"),
        ("cut", r#"{"alg":"RS256","kid":"rsa""#),
        ("something after it", r#"{"alg":"RS256","kid":"rsa"}{}"#),
        ("a comma too many", r#"{"alg":"RS256","kid":"rsa",}"#),
        ("a byte order mark", "\u{feff}{\"alg\":\"RS256\",\"kid\":\"rsa\"}"),
    ] {
        cases.bad(name, mint.idp.sign("RS256", header, &claims), MalformedHeader);
    }
    let spaced = "\r\n { \"kid\" : \"rsa\" ,\t\"alg\" : \"RS256\" } \n";
    cases.good("blanks in its JSON", mint.idp.sign("RS256", spaced, &claims));
}
