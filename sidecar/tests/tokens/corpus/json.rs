//! Claims that two parsers could read differently.

use edge::oidc::{
    Rejection::*,
    testing::{ALICE, BOB},
};
use serde_json::json;

use super::{Cases, Mint};
use crate::case::Setting;

pub(super) fn cases(mint: &Mint) -> Cases {
    let mut cases = Cases::new(Setting::Plain, "JSON");
    let signed =
        |claims: &[u8]| mint.idp.sign_bytes("RS256", br#"{"alg":"RS256","kid":"rsa"}"#, claims);
    let text = mint.claims(json!({})).to_string();
    let open = text.strip_suffix('}').unwrap();
    let nested =
        |levels: usize| format!("{open},\"x\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
    cases.good("blanks", signed(format!(" \n{text}\r\n\t").as_bytes()));
    cases.good("31 levels", signed(nested(30).as_bytes()));
    cases.good("an escaped name", signed(text.replace("\"sub\"", "\"s\\u0075b\"").as_bytes()));
    cases.good(
        "a name in another place",
        signed(format!("{open},\"x\":{{\"sub\":\"{BOB}\"}}}}").as_bytes()),
    );
    for (name, claims) in [
        ("sub twice, equal", format!("{open},\"sub\":\"{ALICE}\"}}")),
        ("sub twice, bob's last", format!("{open},\"sub\":\"{BOB}\"}}")),
        ("sub twice, once escaped", format!("{open},\"s\\u0075b\":\"{BOB}\"}}")),
        ("exp twice", format!("{open},\"exp\":1}}")),
        ("aud twice", format!("{open},\"aud\":\"x\"}}")),
        ("a name twice further down", format!("{open},\"x\":[{{\"a\":1,\"a\":1}}]}}")),
        ("a strange name twice", format!("{open},\"x\":1,\"x\":1}}")),
        ("33 levels", nested(32)),
        ("4000 levels", nested(4_000)),
        ("two objects", format!("{text}{text}")),
        ("an array around it", format!("[{text}]")),
        ("a text", "\"claims\"".to_owned()),
        ("a number", "1".to_owned()),
        ("null", "null".to_owned()),
        ("cut", open.to_owned()),
        ("a comma too many", format!("{open},}}")),
        ("a comment", format!("{open}/**/}}")),
        ("single quotes", text.replace('"', "'")),
        ("not a number", format!("{open},\"x\":NaN}}")),
        ("a leading zero", format!("{open},\"x\":01}}")),
        ("half a surrogate pair", format!("{open},\"x\":\"\\ud800\"}}")),
        ("a bare line end in a text", format!("{open},\"x\":\"\n\"}}")),
        ("a byte order mark", format!("\u{feff}{text}")),
        ("a zero byte after it", format!("{text}\0")),
    ] {
        cases.bad(name, signed(claims.as_bytes()), MalformedClaims);
    }
    let latin1 = [open.as_bytes(), b",\"x\":\"\xe9\"}"].concat();
    cases.bad("not UTF-8", signed(&latin1), MalformedClaims);
    let utf16: Vec<_> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    cases.bad("UTF-16", signed(&utf16), MalformedClaims);
    cases
}
