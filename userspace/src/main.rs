fn main() -> std::process::ExitCode {
    sipward::cli::main()
}
