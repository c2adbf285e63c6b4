//! `up`: from nothing, or from whatever an interrupted `up` left, to a cluster that answers.

use std::time::SystemTime;

use anyhow::{Context as _, Result};

use crate::{
    addons, control_plane, kind,
    layout::Layout,
    mode::Mode,
    network, node, packages, report,
    tools::{self, Tool},
};

/// Brings the cluster up; each step leaves alone what is already there. With `audit` an API server that
/// is started writes an audit log.
pub(crate) fn run(layout: &Layout, asked: Option<Mode>, audit: bool) -> Result<()> {
    let started = SystemTime::now();
    let _lock = layout.lock()?;
    let mode = Mode::choose(layout, asked)?;
    packages::ensure(mode)?;
    tools::ensure(layout, tools_for(mode))?;
    start(layout, mode, audit).with_context(|| {
        format!(
            "the cluster did not come up; logs are in {}, `cluster-dev down` removes it",
            layout.logs().display()
        )
    })?;
    report::say(format!(
        "The cluster is up after {}. To use it: export $(cluster-dev env)",
        report::seconds(started)
    ));
    Ok(())
}

fn start(layout: &Layout, mode: Mode, audit: bool) -> Result<()> {
    match mode {
        Mode::Kind => kind::up(layout),
        Mode::ControlPlaneOnly => control_plane::start_api(layout, mode, audit),
        Mode::Namespace => {
            report::step("network namespace", || network::up(layout))?;
            node::make_cgroups()?;
            control_plane::start_api(layout, mode, audit)?;
            let controllers = control_plane::start_controllers(layout)?;
            addons::make_storage_class(layout)?;
            addons::start_registry(layout)?;
            addons::push_pause(layout)?;
            node::start(layout)?;
            addons::start_dns(layout, &controllers)
        }
    }
}

fn tools_for(mode: Mode) -> &'static [Tool] {
    match mode {
        Mode::Kind => &[Tool::CRANE, Tool::KIND, Tool::KUBECTL, Tool::HELM],
        Mode::ControlPlaneOnly => &[Tool::ETCD, Tool::API_SERVER, Tool::KUBECTL, Tool::HELM],
        Mode::Namespace => &[
            Tool::CRANE,
            Tool::ETCD,
            Tool::API_SERVER,
            Tool::KUBECTL,
            Tool::KUBERNETES_NODE,
            Tool::CONTAINERD,
            Tool::COREDNS,
            Tool::HELM,
        ],
    }
}
