//! Who may create what: the webhook injects, the API server decides.

use anyhow::{Result, ensure};
use contract::{object, secret};

use super::teller::{Teller, Told};
use crate::{
    admission::SOMEBODY,
    people::Person,
    pods::{Injected, injected, labeled, mounting, plain},
    stage::Admission,
};

pub(super) async fn labeled_pods_are_injected(
    teller: &Teller,
    admission: &Admission,
    user: &Person,
) -> Result<()> {
    teller
        .step("a pod with alice's label is injected", async {
            let pod = labeled(&object::pod(&user.id), user.id.as_str())?;
            let injected = injected(&admission.pods.try_out(&pod).await?);
            ensure!(injected.note.is_some(), "nothing was injected");
            let line = format!("a pod labeled for {} {} is injected", user.name, user.id);
            Ok(Told::line(line).with(injected.lines()))
        })
        .await
}

pub(super) async fn others_pods_are_denied(
    teller: &Teller,
    admission: &Admission,
    user: &Person,
) -> Result<()> {
    let others = admission.pods_as(SOMEBODY).await?;
    teller
        .step("a pod with alice's label by somebody else is denied", async {
            let denial = others.denial_of(&labeled("intruder", user.id.as_str())?).await?;
            ensure!(denial.contains("'use'"), "expected the missing verb in words, saw: {denial}");
            Ok(Told::line(format!("{SOMEBODY}'s pod with alice's label: denied")).with([denial]))
        })
        .await?;
    teller
        .step("a pod that refers to alice's Secret without her label is denied", async {
            let secret = secret::newapi_key(&user.id);
            let pod = mounting(plain("reader")?, &secret)?;
            let denial = others.denial_of(&pod).await?;
            ensure!(denial.contains(&secret), "expected the Secret's name, saw: {denial}");
            let line = format!("{SOMEBODY}'s pod that mounts alice's Secret: denied");
            Ok(Told::line(line).with([denial]))
        })
        .await
}

pub(super) async fn unlabeled_pods_are_untouched(
    teller: &Teller,
    admission: &Admission,
) -> Result<()> {
    let others = admission.pods_as(SOMEBODY).await?;
    teller
        .step("a pod without the label is let in as it is", async {
            let sent = plain("bystander")?;
            let seen = others.try_out(&sent).await?;
            let found = injected(&seen);
            ensure!(found == Injected::default(), "expected nothing injected, saw {found:?}");
            let names = |pod: &k8s_openapi::api::core::v1::Pod| {
                let spec = pod.spec.clone().unwrap_or_default();
                let containers = spec.containers.into_iter().map(|c| (c.name, c.env, c.args));
                (containers.collect::<Vec<_>>(), spec.init_containers, spec.volumes)
            };
            ensure!(
                names(&seen) == names(&sent),
                "expected {:?}, saw {:?}",
                names(&sent),
                names(&seen)
            );
            Ok(Told::line(format!("{SOMEBODY}'s pod without the label: let in, untouched")))
        })
        .await
}
