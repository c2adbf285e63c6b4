//! What scripts and tests need to know of the running cluster.

use anyhow::Result;

use crate::{
    images, kind,
    layout::{HOST, Layout, NODE},
    mode::Mode,
    packaged, tools,
};

/// Prints KEY=VALUE lines, for `export $(cluster-dev env)`.
#[expect(clippy::print_stdout, reason = "this is the command's output")]
pub(crate) fn print(layout: &Layout) -> Result<()> {
    let mode = Mode::of_running(layout)?;
    let (host, node) = match mode {
        Mode::Namespace => (HOST.to_string(), NODE.to_string()),
        Mode::Kind => (kind::host_address()?, kind::node_address()?),
        Mode::ControlPlaneOnly => ("127.0.0.1".to_owned(), "127.0.0.1".to_owned()),
    };
    println!("CLUSTER_MODE={mode}");
    println!("KUBECONFIG={}", layout.kubeconfig().display());
    println!("HOST_ADDRESS={host}");
    println!("NODE_ADDRESS={node}");
    println!("REGISTRY={}", images::REGISTRY);
    println!("IMAGE_TAG={}", images::loaded_tag(layout));
    println!("OPENCLAW_IMAGE={}", packaged::OPENCLAW.loaded(layout));
    println!("NODE_RED_IMAGE={}", packaged::NODE_RED.loaded(layout));
    println!("TOOLS={}", tools::bin(layout)?.display());
    println!("AUDIT_LOG={}", layout.audit_log().display());
    println!("STATE_DIR={}", layout.state.display());
    println!("CACHE_DIR={}", layout.cache.display());
    Ok(())
}
