//! `cargo xtask run`: the demo, or the filter on a real interface.

use std::path::Path;

use anyhow::Result;
use xtask::command::{self, shown};

use crate::{
    build, demo,
    root::as_root,
    setup::{self, Purpose},
};

pub(crate) fn run(attach: &[String]) -> Result<()> {
    setup::run(if attach.is_empty() { Purpose::Demo } else { Purpose::Build })?;
    let sipward = build::sipward(false)?.executable;
    if attach.is_empty() { demo::run(&sipward) } else { protect(&sipward, attach) }
}

fn protect(sipward: &Path, attach: &[String]) -> Result<()> {
    let subcommand = |name| {
        let mut command = as_root(sipward, &[])?;
        command.arg(name);
        anyhow::Ok(command)
    };
    command::run(subcommand("attach")?.args(attach))?;
    println!("watch it:  {}", shown(&subcommand("status")?));
    println!("remove it: {}", shown(&subcommand("detach")?));
    Ok(())
}
