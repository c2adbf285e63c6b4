//! The reference runtime's program.

use std::process::ExitCode;

use clap::Parser;
use edge::program::{Threads, run};
use runtime::{Args, serve};

fn main() -> ExitCode {
    let args = Args::parse();
    run(Threads::Single, &args.log.clone(), |shutdown| serve(args, shutdown))
}
