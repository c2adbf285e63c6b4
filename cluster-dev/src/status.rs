//! `status`: each part, its process, its log, and what the API server says.

use anyhow::Result;

use crate::{kubectl, layout::Layout, mode::Mode, process};

/// Prints a table of the cluster's processes, then its node and pods.
#[expect(clippy::print_stdout, reason = "this is the command's output")]
pub(crate) fn run(layout: &Layout) -> Result<()> {
    let mode = Mode::of_running(layout)?;
    println!("mode  {mode}\nstate {}\n", layout.state.display());
    println!("{:<26} {:<8} {:>8}  LOG", "PROCESS", "STATE", "PID");
    for running in process::recorded(layout)? {
        let state = if running.id.is_alive() { "running" } else { "ended" };
        println!(
            "{:<26} {state:<8} {:>8}  {}",
            running.name,
            running.id.pid,
            running.log.display()
        );
    }
    println!();
    match kubectl::output(layout, &["get", "nodes,pods", "-A", "-o", "wide"]) {
        Ok(text) => println!("{}", text.trim_end()),
        Err(error) => println!("the API server does not answer: {error}"),
    }
    Ok(())
}
