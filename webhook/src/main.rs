//! See [`webhook`].

fn main() -> std::process::ExitCode {
    webhook::cli::main()
}
