//! A pinned filter, held open: it lives on when its pins are removed, and they can be made again.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
};

use super::{
    error::{Error, Result},
    maps::Maps,
    pins::Pins,
    sys,
    tables::Tables,
};

#[derive(Debug)]
pub struct Hold {
    pins: Pins,
    program: OwnedFd,
    links: BTreeMap<String, OwnedFd>,
}

impl Hold {
    pub fn of(pins: &Pins) -> Result<Self> {
        let mut hold = Self { pins: pins.clone(), program: open(&pins.program())?, links: BTreeMap::new() };
        hold.refresh()?;
        Ok(hold)
    }

    /// Takes hold of the links as they are now. Those whose pins are missing are kept.
    pub fn refresh(&mut self) -> Result<()> {
        for interface in self.pins.interfaces()? {
            let link = open(&self.pins.link(&interface))?;
            self.links.insert(interface, link);
        }
        Ok(())
    }

    /// Lets go of an interface.
    pub fn release(&mut self, interface: &str) {
        self.links.remove(interface);
    }

    /// Makes the pins again that somebody has removed, and says which.
    pub fn repin(&self, tables: &Tables) -> Result<Vec<PathBuf>> {
        self.pins.make_directories()?;
        let mut missing = Vec::new();
        pin_maps(&tables.maps, &self.pins, &mut missing)?;
        let links = self.links.iter().map(|(interface, link)| (self.pins.link(interface), link));
        // The program last: with it the filter counts as there.
        for (path, object) in links.chain([(self.pins.program(), &self.program)]) {
            if !path.exists() {
                sys::pin(object.as_fd(), &path)
                    .map_err(|error| Error::io(format!("create {}", path.display()), &error))?;
                missing.push(path);
            }
        }
        Ok(missing)
    }
}

/// Pins the maps that are not, and adds what it made to `made`.
pub(super) fn pin_maps(maps: &Maps, pins: &Pins, made: &mut Vec<PathBuf>) -> Result<()> {
    for (name, map) in maps {
        let path = pins.map(name);
        if !path.exists() {
            map.pin(&path).map_err(|error| Error::pin(&path, &error))?;
            made.push(path);
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<OwnedFd> {
    sys::open_pin(path).map_err(|error| Error::io(format!("open {}", path.display()), &error))
}
