//! Runs other programs. Their output stays visible, and the error of a failed one has its command line.

use std::{
    borrow::Cow,
    env,
    ffi::OsStr,
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// Runs with inherited output. Prints the command line first, so that it can be repeated by hand.
pub fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", shown(command));
    let status = command.status().with_context(|| format!("cannot run `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", shown(command));
    }
    Ok(())
}

/// The same beside other programs that print: each line begins with the label.
pub fn run_beside(label: &str, command: &mut Command) -> Result<()> {
    println!("{label}: $ {}", shown(command));
    let (reader, writer) = io::pipe().context("cannot make a pipe")?;
    command.stdout(writer.try_clone().context("cannot share a pipe")?).stderr(writer);
    let mut child = command.spawn().with_context(|| format!("cannot run `{}`", shown(command)))?;
    // `Command` keeps the other end of the pipe open until it is dropped, and reading would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
        println!("{label}: {}", String::from_utf8_lossy(&line));
    }
    let status = child.wait().with_context(|| format!("cannot wait for `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", shown(command));
    }
    Ok(())
}

/// The same command at the lowest priority: whatever runs beside it has precedence.
pub fn at_lowest_priority(command: &Command) -> Command {
    let mut lowest = Command::new("nice");
    lowest.args(["-n", "19"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => lowest.env(name, value),
            None => lowest.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        lowest.current_dir(directory);
    }
    lowest
}

/// The output of a command, or `None` where it is absent or fails.
pub fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Looks for a program also in the directories of root: users often have no `sbin` in their `PATH`.
pub fn locate(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|path: &PathBuf| Path::is_file(path))
}

/// The command in the syntax of a shell, with its variables.
pub fn shown(command: &Command) -> String {
    let variables = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={}", name.to_string_lossy(), quoted(value?))));
    let words =
        [command.get_program()].into_iter().chain(command.get_args()).map(|word| quoted(word).into_owned());
    variables.chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &OsStr) -> Cow<'_, str> {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word;
    }
    format!("'{}'", word.replace('\'', r"'\''")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut command = Command::new("cargo");
        command.env("RUSTFLAGS", "-C debuginfo=2").env_remove("RUSTC").args(["build", "--bin", "it's", ""]);
        assert_eq!(shown(&command), r"RUSTFLAGS='-C debuginfo=2' cargo build --bin 'it'\''s' ''");
    }

    #[test]
    fn at_the_lowest_priority_it_is_the_same_command() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo $A $(pwd) $(nice)"]).env("A", "a").current_dir("/");
        assert_eq!(output(&mut at_lowest_priority(&command)).as_deref(), Some("a / 19\n"));
    }

    #[test]
    fn a_command_that_fails_names_itself() {
        let error = run(Command::new("false").arg("-x")).unwrap_err().to_string();
        assert!(error.contains("`false -x` failed"), "{error}");
        let error = run(&mut Command::new("/nowhere/tool")).unwrap_err().to_string();
        assert!(error.contains("cannot run `/nowhere/tool`"), "{error}");
    }

    #[test]
    fn beside_others_it_is_the_same() {
        run_beside("sh", Command::new("sh").args(["-c", "echo out; echo error >&2"])).unwrap();
        let error = run_beside("false", &mut Command::new("false")).unwrap_err().to_string();
        assert!(error.contains("`false` failed"), "{error}");
    }

    #[test]
    fn output_is_nothing_when_the_command_fails() {
        assert_eq!(output(Command::new("echo").arg("a")).as_deref(), Some("a\n"));
        assert_eq!(output(&mut Command::new("false")), None);
        assert_eq!(output(&mut Command::new("/nowhere/tool")), None);
    }
}
