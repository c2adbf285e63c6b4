//! What becomes of a file in each mode.

use super::{
    Args, BrokenConfig,
    origins::Origins,
    plan::{Effect, Plan},
    wanted::Wanted,
};
use crate::gateway_auth::GatewayAuth;
use contract::env;

const USER: &str = "11111111-2222-4333-8444-555555555555";
const TRUSTED: &str = r#"{
  gateway: {
    bind: "loopback",
    auth: {mode: "trusted-proxy", trustedProxy: {userHeader: "x-forwarded-user", allowUsers: ["11111111-2222-4333-8444-555555555555"], allowLoopback: true, deviceAutoApprove: {enabled: true}}},
    trustedProxies: ["127.0.0.1","::1"],
  },
}
"#;

const NOT_OURS: Effect = Effect::LeftAlone("gateway-auth is none");
const NO_SEED: Origins = Origins::Unknown("no --seed was given");

fn args(gateway_auth: GatewayAuth) -> Args {
    let user = Some(USER.parse().unwrap());
    let broken_config = BrokenConfig::Refuse;
    Args { config: "unused".into(), seed: None, broken_config, gateway_auth, user }
}

fn plan(text: &str, gateway_auth: GatewayAuth, base_url: Option<&str>) -> Plan {
    planned(text, gateway_auth, base_url, &NO_SEED)
}

fn planned(
    text: &str,
    gateway_auth: GatewayAuth,
    base_url: Option<&str>,
    origins: &Origins,
) -> Plan {
    let args = args(gateway_auth);
    let wanted = Wanted::new(&args, |name| match name {
        env::OPENCLAW_GATEWAY_TOKEN => Some("new\n".into()),
        env::NEWAPI_BASE_URL => base_url.map(Into::into),
        _ => None,
    });
    Plan::new(text, &wanted.unwrap(), origins).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn token(text: &str) -> String {
    let plan = plan(text, GatewayAuth::Token, None);
    let again = self::plan(&plan.text, GatewayAuth::Token, None);
    assert_eq!((again.gateway, &again.text), (Effect::Matches, &plan.text));
    plan.text
}

#[test]
fn the_token_in_the_file_becomes_the_one_of_the_secret() {
    assert_eq!(
        token("{gateway:{bind:'loopback',auth:{token:'old'},remote:{token:'old',url:'u'}}}"),
        r#"{gateway:{bind:'loopback',auth:{token:"new"},remote:{token:"new",url:'u'}}}"#
    );
    assert_eq!(
        token("{gateway:{bind:'loopback',remote:{}}}"),
        r#"{gateway:{bind:'loopback',remote:{}, auth: {token: "new"}}}"#
    );
}

#[test]
fn a_reference_is_replaced_too_because_the_variable_may_hold_a_line_end() {
    let text = r#"{gateway:{bind:"loopback",auth:{token:"${OPENCLAW_GATEWAY_TOKEN}"}}}"#;
    assert_eq!(token(text), r#"{gateway:{bind:"loopback",auth:{token:"new"}}}"#);
}

#[test]
fn a_mode_that_would_not_take_the_token_is_replaced() {
    assert_eq!(
        token("{gateway:{bind:'loopback',auth:{mode:'password',password:'p'}}}"),
        r#"{gateway:{bind:'loopback',auth:{mode:"token",password:'p', token: "new"}}}"#
    );
    let kept = "{gateway:{bind:'loopback',auth:{mode:'token',token:'new'}}}";
    assert_eq!(token(kept), kept);
}

#[test]
fn the_two_modes_lead_into_each_other_and_back() {
    let fresh = "{\n  gateway: {\n    bind: \"loopback\",\n    auth: {token: \"old\"},\n  },\n}\n";
    let trusted = plan(fresh, GatewayAuth::TrustedProxy, None);
    assert_eq!(trusted.gateway, Effect::Written);
    let again = plan(&trusted.text, GatewayAuth::TrustedProxy, None);
    assert_eq!((again.gateway, again.text), (Effect::Matches, trusted.text.clone()));
    for expected in ["mode: \"trusted-proxy\"", USER, "allowLoopback: true", "enabled: true"] {
        assert!(trusted.text.contains(expected), "{expected}: {}", trusted.text);
    }
    assert!(!trusted.text.contains("token"), "{}", trusted.text);
    assert_eq!(
        token(TRUSTED),
        "{\n  gateway: {\n    bind: \"loopback\",\n    auth: {mode: \"token\", token: \"new\"},\n  },\n}\n"
    );
}

#[test]
fn what_else_stands_in_the_trusted_proxy_block_stays() {
    let scopes =
        "deviceAutoApprove: {enabled: false, scopes: ['operator.read']}, requiredHeaders: ['x']";
    let text = TRUSTED.replace("deviceAutoApprove: {enabled: true}", scopes);
    let text = text.replace(USER, "somebody-else");
    let plan = plan(&text, GatewayAuth::TrustedProxy, None);
    assert_eq!(plan.text, text.replace("somebody-else", USER));
}

#[test]
fn proxies_that_the_user_trusts_stay_on_the_way_back_to_the_token() {
    let text = TRUSTED.replace(r#""127.0.0.1","::1""#, "'10.0.0.1'");
    assert!(token(&text).contains("trustedProxies: ['10.0.0.1']"));
}

#[test]
fn mode_none_touches_no_gateway_but_still_refuses_what_is_not_json5() {
    let text = "{gateway:{auth:{token:'old'}}}";
    let plan = plan(text, GatewayAuth::None, None);
    assert_eq!(
        (plan.text.as_str(), plan.gateway),
        (text, Effect::LeftAlone("gateway-auth is none"))
    );
    let wanted = Wanted::new(&args(GatewayAuth::None), |_| None).unwrap();
    Plan::new("{", &wanted, &NO_SEED).unwrap_err();
}

#[test]
fn the_seeds_provider_gets_the_address_with_v1_once() {
    let provider = |url: &str, key: &str| {
        format!(
            "{{models:{{providers:{{newapi:{{baseUrl:{url},apiKey:{key}}},other:{{baseUrl:'${{NEWAPI_BASE_URL}}'}}}}}}}}"
        )
    };
    let ours = "'${NEWAPI_KEY}'";
    for given in ["http://newapi:3000", "http://newapi:3000/v1/"] {
        for (url, key) in [
            ("'${NEWAPI_BASE_URL}/v1'", ours),
            ("\"${NEWAPI_BASE_URL}\"", "'sk-1'"),
            ("'http://earlier/v1'", ours),
        ] {
            let plan = plan(&provider(url, key), GatewayAuth::None, Some(given));
            assert_eq!(plan.newapi, Effect::Written);
            assert_eq!(plan.text, provider(r#""http://newapi:3000/v1""#, key));
        }
    }
    let done = provider("'http://newapi:3000/v1'", ours);
    let plan = plan(&done, GatewayAuth::None, Some("http://newapi:3000"));
    assert_eq!((plan.newapi, plan.text), (Effect::Matches, done));
}

#[test]
fn a_provider_of_the_users_own_is_left_alone() {
    for text in [
        "{}",
        "{models:{providers:{newapi:1}}}",
        "{models:{providers:{other:{baseUrl:'${NEWAPI_BASE_URL}',apiKey:'${NEWAPI_KEY}'}}}}",
        "{models:{providers:{newapi:{baseUrl:'http://mine',apiKey:'sk-mine'}}}}",
        "{models:{providers:{newapi:{baseUrl:'http://mine',apiKey:{source:'env',id:'MINE'}}}}}",
    ] {
        let plan = plan(text, GatewayAuth::None, Some("http://newapi:3000"));
        assert!(matches!(plan.newapi, Effect::LeftAlone(_)), "{text}");
        assert_eq!(plan.text, text);
    }
}

#[test]
fn the_gateway_listens_on_loopback_in_both_modes_and_wherever_it_likes_in_none() {
    for (before, after) in [
        ("{gateway:{bind:'lan'}}", r#"bind:"loopback""#),
        ("{gateway:{bind:'custom',customBindHost:'0.0.0.0'}}", r#"bind:"loopback""#),
        ("{gateway:{mode:'local'}}", r#"bind: "loopback""#),
        ("{}", r#""bind": "loopback""#),
    ] {
        for mode in [GatewayAuth::Token, GatewayAuth::TrustedProxy] {
            let plan = plan(before, mode, None);
            assert_eq!(plan.bind, Effect::Written, "{before}");
            assert!(plan.text.contains(after), "{before}: {}", plan.text);
        }
        let untouched = plan(before, GatewayAuth::None, None);
        assert_eq!((untouched.text.as_str(), untouched.bind), (before, NOT_OURS));
    }
}

#[test]
fn the_seeds_origins_join_the_users_own() {
    let seed = Origins::Named(vec!["https://new.example".into(), "https://both.example".into()]);
    for (list, after, effect) in [
        (
            "['https://mine.example', 'https://both.example', /* too */]",
            r#"["https://new.example", 'https://mine.example', 'https://both.example', /* too */]"#,
            Effect::Written,
        ),
        (
            "['https://both.example','https://new.example']",
            "['https://both.example','https://new.example']",
            Effect::Matches,
        ),
        ("[]", r#"["https://new.example", "https://both.example"]"#, Effect::Written),
        ("'*'", "'*'", Effect::LeftAlone("gateway.controlUi.allowedOrigins is no list")),
    ] {
        let text = |list| {
            format!(
                "{{gateway:{{bind:'loopback',controlUi:{{allowedOrigins:{list}}},auth:{{token:'new'}}}}}}"
            )
        };
        let plan = planned(&text(list), GatewayAuth::Token, None, &seed);
        assert_eq!((plan.text, plan.origins), (text(after), effect), "{list}");
    }
    let made = planned("{}", GatewayAuth::TrustedProxy, None, &seed);
    let list = r#""controlUi": {"allowedOrigins": ["https://new.example","https://both.example"]}"#;
    assert!(made.text.contains(list), "{}", made.text);
    let alone = planned("{}", GatewayAuth::None, None, &seed);
    assert_eq!((alone.text.as_str(), alone.origins), ("{}", NOT_OURS));
}
