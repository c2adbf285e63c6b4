//! `cluster-dev`: a one-node Kubernetes cluster for development, with or without Docker.
//!
//! The way through the code is the way of `up`: [`mode`] chooses where the cluster runs, [`packages`]
//! and [`tools`] bring what it needs, [`network`] and [`control_plane`] and [`node`] start it, and
//! [`images`] puts our programs where its kubelet finds them. [`process`] and [`down`] undo all of it.

mod addons;
mod cli;
mod control_plane;
mod down;
mod environment;
mod images;
mod kind;
mod kubectl;
mod layout;
mod mode;
mod network;
mod node;
mod packaged;
mod packages;
mod pki;
mod process;
mod report;
mod status;
mod tools;
mod up;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::failure(&error);
            ExitCode::FAILURE
        }
    }
}
