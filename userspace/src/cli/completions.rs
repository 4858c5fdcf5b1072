//! `sipward completions` and `sipward man`: made from the same definitions that the command line is read with.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::{
    Man as Renderer,
    roff::{Roff, roman},
};

use super::{Arguments, failure::Failure, output::Output};

/// Print the completion script of a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples: sipward completions bash > \
                  /usr/share/bash-completion/completions/sipward\n          sipward completions zsh > \
                  /usr/share/zsh/vendor-completions/_sipward\n          sipward completions fish > \
                  /usr/share/fish/vendor_completions.d/sipward.fish")]
pub(super) struct Completions {
    /// Shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let mut command = Arguments::command();
        let name = command.get_name().to_owned();
        // Not straight to the output: it panics where that cannot be written.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, name, &mut script);
        Ok(output.writer().write_all(&script)?)
    }
}

/// Print the manual page, or write one for each command into a directory
#[derive(Debug, Args)]
#[command(after_help = "Examples: sipward man | man -l -\n          sipward man /usr/local/share/man/man8")]
pub(super) struct Man {
    /// Directory for the pages, created if missing
    directory: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let mut command = Arguments::command().disable_help_subcommand(true);
        command.build();
        let Some(directory) = &self.directory else {
            return Ok(render(&command, &mut output.writer())?);
        };
        let fail = |error| Failure::No(format!("could not write to {}: {error}", directory.display()));
        fs::create_dir_all(directory).map_err(fail)?;
        let pages = write_pages(&command, directory).map_err(fail)?;
        output.say(format_args!("{pages} pages written to {}", directory.display()))?;
        Ok(())
    }
}

/// Administration.
const SECTION: &str = "8";
const SOURCE: &str = concat!("sipward ", env!("CARGO_PKG_VERSION"));

/// Of the command and all below it; how many.
fn write_pages(command: &Command, directory: &Path) -> io::Result<usize> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    render(command, &mut File::create(directory.join(format!("{name}.{SECTION}")))?)?;
    command.get_subcommands().try_fold(1, |pages, command| Ok(pages + write_pages(command, directory)?))
}

fn render(command: &Command, to: &mut dyn Write) -> io::Result<()> {
    let page = Renderer::new(command.clone()).section(SECTION).source(SOURCE);
    page.render_title(to)?;
    page.render_name_section(to)?;
    page.render_synopsis_section(to)?;
    page.render_description_section(to)?;
    page.render_options_section(to)?;
    if command.has_subcommands() {
        page.render_subcommands_section(to)?;
    }
    command.get_after_help().map_or(Ok(()), |more| sections(&more.to_string(), to))
}

/// `Title: text` of the help, and paragraphs without a title. The generator's own section for them would run the lines of
/// the examples together.
fn sections(help: &str, to: &mut dyn Write) -> io::Result<()> {
    let mut page = Roff::new();
    let mut notes = false;
    for part in help.split("\n\n") {
        match part.split_once(": ") {
            Some((title @ ("Example" | "Examples"), lines)) => {
                page.control("SH", [title.to_uppercase().as_str()]).control("nf", []);
                for line in lines.lines() {
                    page.text([roman(line.trim())]);
                }
                page.control("fi", []);
            }
            Some((title @ "Exit status", text)) => {
                page.control("SH", [title.to_uppercase().as_str()]).text([roman(text)]);
            }
            _ => {
                let page = if notes { page.control("PP", []) } else { page.control("SH", ["NOTES"]) };
                page.text([roman(part)]);
                notes = true;
            }
        }
    }
    page.to_writer(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(path: &[&str]) -> String {
        let mut command = Arguments::command().disable_help_subcommand(true);
        command.build();
        let command = path.iter().fold(&command, |command, name| command.find_subcommand(name).unwrap());
        let mut page = Vec::new();
        render(command, &mut page).unwrap();
        String::from_utf8(page).unwrap()
    }

    #[test]
    fn a_page_shows_each_example_on_a_line_of_its_own() {
        let page = page(&["ban", "add"]);
        assert!(page.contains(".TH sipward-ban-add 8"), "{page}");
        let examples = page.split_once(".SH EXAMPLES\n.nf\n").expect("a section with examples").1;
        let lines: Vec<_> = examples.lines().take_while(|line| *line != ".fi").collect();
        assert!(lines.len() > 1 && lines.iter().all(|line| line.starts_with("sipward ban add")), "{lines:?}");
        assert!(page.contains(".SH NOTES\nTrusted beats banned."), "{page}");
    }

    #[test]
    fn all_that_is_no_example_is_in_one_section() {
        let mut page = Vec::new();
        sections("Example: sipward a\n\nOne.\n\nTwo: three.", &mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(
            page.ends_with(".SH EXAMPLE\n.nf\nsipward a\n.fi\n.SH NOTES\nOne.\n.PP\nTwo: three.\n"),
            "{page}"
        );
    }

    #[test]
    fn the_main_page_names_the_commands_and_the_exit_statuses() {
        let page = page(&[]);
        for said in [".TH sipward 8", "sipward\\-attach(8)", ".SH \"EXIT STATUS\"\n0 done"] {
            assert!(page.contains(said), "{said}\n{page}");
        }
    }

    #[test]
    fn every_shell_is_told_every_command() {
        for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "sipward", &mut script);
            let script = String::from_utf8(script).unwrap();
            for command in Arguments::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }
}
