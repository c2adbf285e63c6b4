//! One corpus of tokens, three judges: the library, `sidecar verify`, and a running `sidecar proxy`
//! asked over HTTP. Each case has one verdict, and all three give it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot be set up has to fail"
)]

mod case;
mod corpus;
mod judges;
mod proxy;

use std::collections::BTreeSet;

use self::{
    case::Setting,
    corpus::Mint,
    judges::{Command, Library},
    proxy::Proxy,
};

#[test]
fn library_command_and_proxy_agree_about_every_token() {
    let mint = Mint::new();
    let cases = mint.corpus();
    let jwks = mint.jwks();
    let library = Library::new(&jwks, mint.now);
    let command = Command::new(&jwks, mint.now);
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for setting in [Setting::Plain, Setting::Strict] {
        let proxy = Proxy::start(setting, command.jwks_file());
        for case in cases.iter().filter(|case| case.setting == setting) {
            assert!(seen.insert(&case.name), "two cases are called {}", case.name);
            let expected = case.expected.as_ref().map_err(ToString::to_string).copied();
            let verdicts = [
                ("library", library.verdict(case)),
                ("sidecar verify", command.verdict(case)),
                ("sidecar proxy", proxy.verdict(case)),
            ];
            for (judge, verdict) in verdicts {
                if verdict != case::Said::of(&case.expected) {
                    wrong
                        .push(format!("{}: {judge} says {verdict:?}, not {expected:?}", case.name));
                }
            }
        }
        let accepted = cases.iter().filter(|case| case.setting == setting && case.expected.is_ok());
        assert_eq!(proxy.passed(), accepted.count(), "what is refused reaches no runtime");
    }
    assert!(wrong.is_empty(), "{} disagreements:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases.len() >= 150, "only {} cases", cases.len());
    let refused = cases.iter().filter(|case| case.expected.is_err()).count();
    println!("{} tokens, {refused} of them refused, each by three judges", cases.len());
}
