//! The two paths of bp-openclaw on real parts: a cluster, Keycloak, NewAPI.
//!
//! Everything here reads like English, because the demo and the cluster tests are what a newcomer
//! reads first:
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use http::StatusCode;
//! use tests::stage::Stage;
//!
//! let stage = Stage::set().await?;
//! let alice = stage.sign_in("alice").await?;
//! stage.start_pod_of(&alice).await?;
//! let models = stage.spawner.get("/v1/models").bearer(&alice.tokens.access).send().await?;
//! models.expect(StatusCode::OK).await?;
//! # Ok(()) }
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`stage`] | all parts, brought up once and found again |
//! | [`cluster`] | the development cluster that `cluster-dev up` started |
//! | [`browser`] | a real Chromium at the public address |
//! | [`people`] | the users of the realm |
//! | [`keycloak`] | a real Keycloak with that realm |
//! | [`newapi`] | a stand-in for NewAPI that records what it saw, or your own |
//! | [`chat`] | what is asked of NewAPI, and its streamed answer |
//! | [`chart`] | the chart, rendered by the real helm |
//! | [`install`] | the chart, installed with the real helm |
//! | [`release`] | all that is done to a release: upgraded, rolled back, tried, uninstalled |
//! | [`requests`] | requests that go on while something else happens |
//! | [`admission`] | the admission part alone, where the cluster runs no pods |
//! | [`load`] | what goes on while something else happens |
//! | [`admissions`] | admissions that do |
//! | [`trust`] | the webhook's CA, and the API server's trust in it |
//! | [`late_webhook`] | another mutating webhook, called after ours |
//! | [`door`] | one way to send a request to any of them |
//! | [`openclaw`] | the real OpenClaw in users' pods |
//! | [`profile`] | the chart's profiles of other programs |
//! | [`pods`] | pods as the tests see them |
//! | [`story`] | what `make demo` tells |

pub mod admission;
pub mod admissions;
pub mod browser;
pub mod chart;
pub mod chat;
pub mod cluster;
pub mod door;
pub mod install;
pub mod keycloak;
pub mod late_webhook;
pub mod load;
pub mod newapi;
pub mod openclaw;
pub mod patience;
pub mod people;
pub mod pods;
pub mod process;
pub mod profile;
pub mod release;
pub mod requests;
pub mod stage;
pub mod story;
pub mod trust;
pub mod whole_path;
