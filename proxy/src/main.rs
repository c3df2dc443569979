//! The `troth` command.

fn main() -> std::process::ExitCode {
    troth_proxy::cli()
}
