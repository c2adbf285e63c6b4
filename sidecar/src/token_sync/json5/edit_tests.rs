//! What an edit does to a file, case by case.

use super::{EditError, remove, set};
use serde_json::{Value, json};

const TOKEN: &[&str] = &["gateway", "auth", "token"];

fn set_token(text: &str) -> String {
    set(text, TOKEN, &json!("new")).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_value_is_replaced_and_everything_else_stays() {
    for (before, after) in [
        (r#"{"gateway":{"auth":{"token":"old"}}}"#, r#"{"gateway":{"auth":{"token":"new"}}}"#),
        // Any style, any kind of value, comments within the path.
        (
            "\u{feff}// mine\r\n{ gateway: /* g */ { 'auth': {\r\n\ttoken: 'o\\'ld', // t\r\n}, }, }\r\n",
            "\u{feff}// mine\r\n{ gateway: /* g */ { 'auth': {\r\n\ttoken: \"new\", // t\r\n}, }, }\r\n",
        ),
        (
            "{gateway:{auth:{token:{source:'env',id:'X'},n:0xF}}}",
            "{gateway:{auth:{token:\"new\",n:0xF}}}",
        ),
        (r"{\u0067ateway:{auth:{token:-Infinity}}}", r#"{\u0067ateway:{auth:{token:"new"}}}"#),
        // Text that looks like the path but is none.
        (
            "{a:'gateway:{auth:{token:1}}',/*gateway:{}*/gateway:{auth:{token:1}}}",
            "{a:'gateway:{auth:{token:1}}',/*gateway:{}*/gateway:{auth:{token:\"new\"}}}",
        ),
        // Of two members with one key the last counts.
        (
            "{gateway:1,gateway:{auth:{token:'a',token:'b'}}}",
            "{gateway:1,gateway:{auth:{token:'a',token:\"new\"}}}",
        ),
    ] {
        assert_eq!(set_token(before), after, "{before}");
    }
}

#[test]
fn an_equal_value_is_left_as_it_is_written() {
    for text in [
        "{gateway:{auth:{token:'new'}}}",
        "{gateway:{auth:{token:'n\\u0065\\\nw' /* same */}}}",
        "{gateway:{auth:{token:'old',token:'new'}}}",
    ] {
        assert_eq!(set_token(text), text);
    }
    let list = "{list:['a', /* b */ 'b',],}";
    assert_eq!(set(list, &["list"], &json!(["a", "b"])).unwrap(), list);
    assert_ne!(set(list, &["list"], &json!(["a"])).unwrap(), list);
    let (value, object) =
        (json!({"b": [null, true, 7], "c": "d"}), "{a:{c:'d',b:[null,true,7,],},}");
    assert_eq!(set(object, &["a"], &value).unwrap(), object);
    assert_ne!(set(object, &["a"], &json!({"b": [null, true, 7]})).unwrap(), object);
}

#[test]
fn a_missing_member_is_added_in_the_style_of_its_neighbours() {
    for (before, after) in [
        ("{}", r#"{"gateway": {"auth": {"token": "new"}}}"#),
        ("{a:{}}", r#"{a:{}, gateway: {auth: {token: "new"}}}"#),
        ("{'a':1,}", r#"{'a':1, 'gateway': {'auth': {'token': "new"}},}"#),
        ("{gateway:{auth:{}}}", r#"{gateway:{auth:{token: "new"}}}"#),
        ("{gateway:{auth:{/*c*/}}}", r#"{gateway:{auth:{/*c*/ token: "new"}}}"#),
        ("{\n}\n", "{\n  \"gateway\": {\"auth\": {\"token\": \"new\"}}\n}\n"),
        ("{ // c\n}", "{ // c\n  \"gateway\": {\"auth\": {\"token\": \"new\"}}\n}"),
        ("{a:1//c\u{2028}}", "{a:1,//c\n  gateway: {auth: {token: \"new\"}}\u{2028}}"),
        (
            "{\n  gateway: {\n    port: 1, // p\n    // end\n  },\n}",
            "{\n  gateway: {\n    port: 1, // p\n    // end\n    auth: {token: \"new\"},\n  },\n}",
        ),
        (
            "{\r\n\t\"gateway\": {\r\n\t\t\"port\": 1 /* p */ // q\r\n\t}\r\n}",
            "{\r\n\t\"gateway\": {\r\n\t\t\"port\": 1, /* p */ // q\r\n\t\t\"auth\": {\"token\": \"new\"}\r\n\t}\r\n}",
        ),
        ("{\n\tgateway: {auth: {\n\t}}}", "{\n\tgateway: {auth: {\n\t\ttoken: \"new\"\n\t}}}"),
    ] {
        assert_eq!(set_token(before), after, "{before}");
    }
}

#[test]
fn a_key_that_is_no_identifier_gets_quotes() {
    let dashed = |text| set(text, &["a-b", "1"], &Value::Null).unwrap();
    assert_eq!(dashed("{a:1}"), r#"{a:1, "a-b": {"1": null}}"#);
    assert_eq!(dashed("{'a':1}"), r#"{'a':1, "a-b": {"1": null}}"#);
}

#[test]
fn a_path_through_something_without_keys_is_refused_at_its_place() {
    for (text, message) in [
        ("[]", "line 1, column 1: the whole file is an array, expected an object"),
        ("\n 'x'", "line 2, column 2: the whole file is a string, expected an object"),
        ("{\n  gateway: null}", "line 2, column 12: `gateway` is null, expected an object"),
        (
            "{gateway:{auth:[]}}",
            "line 1, column 16: `gateway.auth` is an array, expected an object",
        ),
        ("{gateway:{},gateway:1}", "line 1, column 21: `gateway` is a number, expected an object"),
        ("{gateway:true}", "line 1, column 10: `gateway` is a boolean, expected an object"),
    ] {
        let error = set(text, TOKEN, &json!("new")).unwrap_err();
        assert!(matches!(error, EditError::NotAnObject { .. }));
        assert_eq!(error.to_string(), message, "{text}");
    }
    assert!(matches!(set("{", TOKEN, &json!("new")), Err(EditError::Syntax(_))));
}

#[test]
fn a_member_is_removed_with_its_comma_and_line_but_no_comment() {
    for (before, after) in [
        ("{token:1}", "{}"),
        ("{ a: 1, token: 2, b: 3 }", "{ a: 1, b: 3 }"),
        ("{ a: 1, token: 2 }", "{ a: 1 }"),
        ("{ a: 1, token: 2, }", "{ a: 1, }"),
        ("{a:1,token:2}", "{a:1}"),
        ("{a: 1, token: 2}", "{a: 1}"),
        ("{token:1,a:2,token:3}", "{a:2}"),
        ("{token:1,token:3}", "{}"),
        ("{\n  a: 1,\n  token: 2,\n  b: 3\n}", "{\n  a: 1,\n  b: 3\n}"),
        ("{\r\n  a: 1, // a\r\n  token: 2\r\n}", "{\r\n  a: 1 // a\r\n}"),
        ("{\n  token: 1, // was here\n}", "{\n  // was here\n}"),
        ("{\n  token: 1 /* c */, a: 2\n}", "{\n  /* c */ a: 2\n}"),
        ("{a:'token:1'}", "{a:'token:1'}"),
    ] {
        assert_eq!(remove(before, &["token"]).unwrap(), after, "{before}");
    }
    for untouched in ["{}", "{gateway:1}", "{gateway:{auth:[]}}", "[]"] {
        assert_eq!(remove(untouched, TOKEN).unwrap(), untouched);
    }
}
