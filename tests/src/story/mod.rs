//! What `make demo` tells: one user's pod from its creation to its return, with real values, and
//! everybody who is turned away.
//!
//! Each step says in its title what is expected. It prints one line when that happened, and ends the
//! story when it did not.

mod admission;
mod chat;
mod farewell;
mod pod;
mod refusals;
mod teller;

use anyhow::Result;
use teller::Teller;

use crate::{
    cluster::Cluster,
    keycloak::CLIENT_SHORT,
    newapi::NewApi,
    stage::{Admission, Stage},
};

/// Tells the whole story, or its admission part where no pods run.
///
/// # Errors
/// Something happened that was not expected.
pub async fn tell() -> Result<()> {
    let teller = Teller::begin();
    let cluster = Cluster::running()?;
    if !cluster.runs_pods() {
        return admission_alone(&teller).await;
    }
    let new_api = NewApi::yours_or_stand_in(&cluster)?;
    let stage = Stage::set_with(cluster, new_api).await?;
    whole(&teller, &stage).await
}

async fn whole(teller: &Teller, stage: &Stage) -> Result<()> {
    teller.chapter(&format!("On a real cluster ({})", stage.cluster.mode));
    match stage.new_api.yours() {
        Some(base_url) => teller.say(&format!("  with your NewAPI at {base_url}")),
        None => {
            teller.say("  with a stand-in for NewAPI (yours: set NEWAPI_BASE_URL and NEWAPI_KEY)")
        }
    }
    let alice = stage.sign_in("alice").await?;
    let bob = stage.sign_in("bob").await?;
    // Lives for a second: by the end of the story it has expired.
    let short = stage.keycloak.sign_in_at(CLIENT_SHORT, &alice.person).await?;

    pod::is_created_and_injected(teller, stage, &alice).await?;
    pod::becomes_ready(teller, stage, &alice).await?;
    chat::is_streamed(teller, stage, &alice).await?;

    teller.chapter("Who does not get in");
    refusals::bobs_token(teller, stage, &alice, &bob).await?;
    refusals::no_token(teller, stage, &alice).await?;

    teller.chapter("Who may create what");
    let admission = Admission::of(stage);
    admission::others_pods_are_denied(teller, &admission, &alice.person).await?;
    admission::unlabeled_pods_are_untouched(teller, &admission).await?;

    teller.chapter("Asleep and back");
    pod::comes_back(teller, stage, &alice).await?;
    refusals::expired_token(teller, stage, &alice, &short.access).await?;
    farewell::how_to_log_in(teller, stage, &alice).await
}

async fn admission_alone(teller: &Teller) -> Result<()> {
    let admission = Admission::set().await?;
    teller.chapter("On a control plane alone: the admission part");
    let alice = crate::people::person("alice")?;
    admission::labeled_pods_are_injected(teller, &admission, &alice).await?;
    admission::others_pods_are_denied(teller, &admission, &alice).await?;
    admission::unlabeled_pods_are_untouched(teller, &admission).await?;
    farewell::what_was_left_out(teller);
    Ok(())
}
