//! The cargo that runs xtask, and the list of programs that it has built.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use xtask::{command::shown, ebpf::workspace_root};

/// A compiled program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Artifact {
    /// The directory of its package, in which cargo would run it.
    pub package: PathBuf,
    /// Its source file, relative to the package, which identifies it.
    pub source: PathBuf,
    pub name: String,
    pub executable: PathBuf,
    /// It is a test program.
    pub is_test: bool,
}

pub(crate) fn cargo() -> Command {
    cargo_in(workspace_root())
}

/// The same for another workspace.
pub(crate) fn cargo_in(workspace: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace);
    command
}

/// Runs a cargo command that builds, and returns the programs it built.
pub(crate) fn programs(arguments: &[&str]) -> Result<Vec<Artifact>> {
    programs_by(cargo(), arguments)
}

/// The same by this cargo.
pub(crate) fn programs_by(mut command: Command, arguments: &[&str]) -> Result<Vec<Artifact>> {
    command.args(arguments);
    println!("$ {}", shown(&command));
    let output = command
        .arg("--message-format=json-render-diagnostics")
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run `{}`", shown(&command)))?;
    if !output.status.success() {
        bail!("`cargo {}` failed", arguments.join(" "));
    }
    Ok(artifacts(&String::from_utf8_lossy(&output.stdout)))
}

fn artifacts(messages: &str) -> Vec<Artifact> {
    messages.lines().filter_map(|line| artifact(&serde_json::from_str(line).ok()?)).collect()
}

fn artifact(message: &Value) -> Option<Artifact> {
    let executable = message.get("executable")?.as_str()?;
    let package = PathBuf::from(message.get("manifest_path")?.as_str()?).parent()?.to_path_buf();
    let target = message.get("target")?;
    let source = PathBuf::from(target.get("src_path")?.as_str()?);
    Some(Artifact {
        source: source.strip_prefix(&package).unwrap_or(&source).to_path_buf(),
        package,
        name: target.get("name")?.as_str()?.to_owned(),
        executable: executable.into(),
        is_test: message.get("profile")?.get("test")?.as_bool()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_that_name_a_program_become_artifacts() {
        let messages = concat!(
            r#"{"reason":"build-script-executed","package_id":"x"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/w/a/Cargo.toml","#,
            r#""target":{"kind":["lib"],"name":"a","src_path":"/w/a/src/lib.rs"},"profile":{"test":false},"executable":null}"#,
            "\n",
            "   Compiling a line that is not JSON\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/w/tests/Cargo.toml","#,
            r#""target":{"kind":["test"],"name":"table","src_path":"/w/tests/tests/table.rs"},"#,
            r#""profile":{"test":true},"executable":"/w/target/debug/deps/table-0123"}"#,
            "\n",
        );
        assert_eq!(
            artifacts(messages),
            [Artifact {
                package: "/w/tests".into(),
                source: "tests/table.rs".into(),
                name: "table".into(),
                executable: "/w/target/debug/deps/table-0123".into(),
                is_test: true,
            }]
        );
    }
}
