//! Three parts of strict base64url, not too long, alone in the header.

use edge::oidc::{Rejection::*, Token, testing::encode};
use serde_json::json;

use super::{Cases, Mint};
use crate::case::Setting;

pub(super) fn cases(mint: &Mint) -> Cases {
    let mut cases = Cases::new(Setting::Plain, "form");
    let good = mint.token(json!({}));
    let [header, claims, signature] = mint.parts();
    cases.good("a good token", &*good);
    cases.good("blanks before it", format!("   {good}"));
    cases.good("near the longest", mint.token(json!({"pad": "x".repeat(10_000)})));
    cases.bad("garbage", "garbage", MalformedToken);
    cases.bad("one part", &*header, MalformedToken);
    cases.bad("two parts", format!("{header}.{claims}"), MalformedToken);
    cases.bad("an empty signature", format!("{header}.{claims}."), MalformedToken);
    cases.bad("an empty header", format!(".{claims}.{signature}"), MalformedToken);
    cases.bad("empty claims", format!("{header}..{signature}"), MalformedToken);
    cases.bad("only dots", "..", MalformedToken);
    cases.bad("a leading dot", format!(".{good}"), MalformedToken);
    cases.bad("a trailing dot", format!("{good}."), MalformedToken);
    cases.bad("four parts", format!("{good}.AAAA"), MalformedToken);
    cases.bad("five parts, as if encrypted", format!("{good}.AAAA.AAAA"), MalformedToken);
    cases.bad("padding at the end", format!("{good}=="), MalformedToken);
    cases.bad("padded header", format!("{header}=.{claims}.{signature}"), MalformedToken);
    cases.bad("padded claims", format!("{header}.{claims}=.{signature}"), MalformedToken);
    cases.bad("a plus", format!("{header}.{claims}.+{}", &signature[1..]), MalformedToken);
    cases.bad("a slash", format!("{header}.{claims}./{}", &signature[1..]), MalformedToken);
    cases.bad("a tilde", format!("{good}~"), MalformedToken);
    cases.bad("loose bits in the signature", loose(&good), MalformedToken);
    let header_of_one = encode(b"{").replace("ew", "ex");
    cases.bad(
        "loose bits in the header",
        format!("{header_of_one}.{claims}.{signature}"),
        MalformedToken,
    );
    cases.bad("one character too few", format!("{header}.{claims}.AAAAA"), MalformedToken);
    cases.bad("a blank inside", format!("{header}. {claims}.{signature}"), MalformedAuthorization);
    cases.bad("two tokens", format!("{good} {good}"), MalformedAuthorization);
    cases.bad("two tokens and a comma", format!("{good}, Bearer {good}"), MalformedAuthorization);
    cases.bad("in quotes", format!("\"{good}\""), MalformedAuthorization);
    cases.bad("a tab inside", format!("{header}\t.{claims}.{signature}"), MalformedAuthorization);
    cases.bad("not ASCII", format!("{good}\u{e9}"), MalformedAuthorization);
    cases.bad(
        "a percent escape",
        format!("{header}%2E{claims}.{signature}"),
        MalformedAuthorization,
    );
    cases.bad("a parameter", format!("{good};a=b"), MalformedAuthorization);
    cases.bad("one byte too long", "a".repeat(Token::MAX_BYTES + 1), TokenTooLarge);
    cases.bad("signed and too long", mint.token(json!({"pad": "x".repeat(13_000)})), TokenTooLarge);
    cases
}

/// The same token for a decoder that ignores the last bits: 256 bytes leave four of them.
fn loose(token: &str) -> String {
    let last = token.chars().last().and_then(|last| char::from_u32(u32::from(last) + 1)).unwrap();
    format!("{}{last}", &token[..token.len() - 1])
}
