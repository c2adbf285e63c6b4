use futures::FutureExt;

use super::*;
use crate::oidc::testing::{ALICE, BOB};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn at(secs: u64) -> UnixTime {
    UnixTime::from_secs(NOW.as_secs() + secs)
}

fn sessions() -> Sessions {
    Sessions::new(&Policy {
        issuer: "https://id.example/realms/acme".to_owned(),
        audience: "openclaw".to_owned(),
        authorized_parties: Vec::new(),
        user_claim: "sub".to_owned(),
        leeway: Duration::from_secs(30),
        max_lifetime: None,
    })
}

/// A token of this session, issued at `from` and accepted until `to`.
fn token(user: &str, session: Option<&str>, from: u64, to: u64) -> Verified {
    Verified {
        user: user.parse().unwrap(),
        subject: Some(user.to_owned()),
        session: session.map(str::to_owned),
        id: None,
        authorized_party: None,
        issued_at: at(from),
        expires_at: at(to),
        accepted_from: at(from),
        accepted_until: at(to),
    }
}

fn logout(subject: Option<&str>, session: Option<&str>, secs: u64) -> Logout {
    Logout {
        subject: subject.map(str::to_owned),
        session: session.map(str::to_owned),
        id: "jti".to_owned(),
        issued_at: at(secs),
        expires_at: at(secs + 120),
    }
}

/// How long the session lasts from now on, in seconds.
async fn lasts(session: Session) -> u64 {
    let start = Instant::now();
    session.ended().await;
    start.elapsed().as_secs()
}

fn has_ended(session: &Session) -> bool {
    session.clone().ended().now_or_never().is_some()
}

#[tokio::test(start_paused = true)]
async fn a_stream_lasts_as_long_as_its_token() {
    let session = sessions().admit(token(ALICE, Some("s"), 0, 60), at(10)).unwrap();
    assert_eq!(lasts(session).await, 50);
}

#[tokio::test(start_paused = true)]
async fn a_newer_token_of_the_session_extends_every_stream_of_it() {
    let sessions = sessions();
    let first = sessions.admit(token(ALICE, Some("s"), 0, 60), NOW).unwrap();
    let second = sessions.admit(token(ALICE, Some("s"), 0, 60), NOW).unwrap();
    sessions.admit(token(ALICE, Some("s"), 50, 120), NOW).unwrap();
    // An older one, seen again, shortens nothing.
    sessions.admit(token(ALICE, Some("s"), 0, 60), NOW).unwrap();
    assert_eq!(tokio::join!(lasts(first), lasts(second)), (120, 120));
}

#[tokio::test(start_paused = true)]
async fn another_session_or_user_extends_nothing() {
    for (user, session) in [(ALICE, Some("other")), (ALICE, None), (BOB, Some("s"))] {
        let sessions = sessions();
        let stream = sessions.admit(token(ALICE, Some("s"), 0, 60), NOW).unwrap();
        sessions.admit(token(user, session, 50, 120), NOW).unwrap();
        assert_eq!(lasts(stream).await, 60, "{user} {session:?}");
    }
    let sessions = sessions();
    let stream = sessions.admit(token(ALICE, None, 0, 60), NOW).unwrap();
    sessions.admit(token(ALICE, None, 50, 120), NOW).unwrap();
    assert_eq!(lasts(stream).await, 60, "without a `sid` a token is alone");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_begins_late_knows_of_the_newer_token() {
    let sessions = sessions();
    let waiting = sessions.admit(token(ALICE, Some("s"), 0, 60), NOW).unwrap();
    sessions.admit(token(ALICE, Some("s"), 50, 120), NOW).unwrap();
    tokio::time::advance(Duration::from_secs(70)).await;
    assert_eq!(lasts(waiting).await, 50);
}

#[tokio::test(start_paused = true)]
async fn a_logout_ends_the_session_and_refuses_its_tokens() {
    let sessions = sessions();
    let stream = sessions.admit(token(ALICE, Some("s"), 0, 300), NOW).unwrap();
    let other = sessions.admit(token(ALICE, Some("other"), 0, 300), NOW).unwrap();
    assert_eq!(sessions.log_out(&logout(Some(ALICE), Some("s"), 10), at(10)), 1);
    assert!(has_ended(&stream) && !has_ended(&other));
    let refused = |token| sessions.admit(token, at(11)).map(drop);
    assert_eq!(refused(token(ALICE, Some("s"), 0, 300)), Err(Rejection::LoggedOut));
    assert_eq!(refused(token(ALICE, Some("s"), 5, 305)), Err(Rejection::LoggedOut));
    assert_eq!(refused(token(ALICE, Some("other"), 0, 300)), Ok(()));
    assert_eq!(refused(token(ALICE, Some("new"), 11, 311)), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_logout_by_user_ends_all_their_sessions_and_nobody_elses() {
    let sessions = sessions();
    let ours = [Some("s1"), Some("s2"), None]
        .map(|session| sessions.admit(token(ALICE, session, 0, 300), NOW).unwrap());
    let bobs = sessions.admit(token(BOB, Some("s3"), 0, 300), NOW).unwrap();
    assert_eq!(sessions.log_out(&logout(Some(ALICE), None, 10), at(10)), 3);
    assert!(ours.iter().all(has_ended) && !has_ended(&bobs));
    let back = sessions.admit(token(ALICE, Some("s4"), 11, 311), at(11)).unwrap();
    assert_eq!(sessions.log_out(&logout(Some(ALICE), None, 10), at(12)), 0, "said again");
    assert!(!has_ended(&back));
}

#[tokio::test(start_paused = true)]
async fn idle_sessions_are_bounded_and_used_ones_stay() {
    let sessions = sessions();
    let used = sessions.admit(token(ALICE, Some("used"), 0, 50), NOW).unwrap();
    for number in 0..10 * IDLE_CAPACITY as u64 {
        let session = format!("s{number}");
        sessions.admit(token(ALICE, Some(&session), 0, 100 + number), NOW).unwrap();
    }
    assert!(sessions.state().known.len() <= IDLE_CAPACITY + 1);
    sessions.admit(token(ALICE, Some("used"), 10, 400), NOW).unwrap();
    assert_eq!(lasts(used).await, 400, "it was still known");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_claims_to_live_for_ever_is_no_overflow() {
    let mut endless = token(ALICE, Some("s"), 0, 60);
    endless.accepted_until = UnixTime::from_secs(u64::MAX);
    assert!(!has_ended(&sessions().admit(endless, NOW).unwrap()));
}
