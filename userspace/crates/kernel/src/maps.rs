//! Where the maps come from: the loaded object, the pins, or nothing yet.

use std::collections::BTreeMap;

use aya::{
    Ebpf,
    maps::{Map, MapData},
};

use super::{
    error::{Error, Result},
    layout::{self, Layout, OWN_MAPS, PROGRAM_MAPS},
    pins::Pins,
    sys,
};
use crate::layout::all;
use aya::maps::MapInfo;

pub(super) type Maps = BTreeMap<&'static str, Map>;

/// The maps of a loaded object, and beside them our own: those that are pinned, or new ones.
pub(super) fn take(object: &mut Ebpf, pinned: Option<&Pins>) -> Result<Maps> {
    let mut maps = Maps::new();
    for Layout { name, .. } in PROGRAM_MAPS {
        let map = object.take_map(name);
        let missing = || Error::failed(format!("find the map {name}"), "it is not in the eBPF object");
        maps.insert(name, map.ok_or_else(missing)?);
    }
    for layout in OWN_MAPS {
        let map = match pinned {
            Some(pins) => open(pins, layout.name)?,
            None => create(layout)?,
        };
        maps.insert(layout.name, map);
    }
    Ok(maps)
}

/// All the maps that are pinned.
pub(super) fn from_pins(pins: &Pins) -> Result<Maps> {
    self::check(pins)?;
    layout::all().map(|Layout { name, .. }| Ok((name, open(pins, name)?))).collect()
}

fn open(pins: &Pins, name: &str) -> Result<Map> {
    let path = pins.map(name);
    let map = MapData::from_pin(&path).and_then(Map::from_map_data);
    map.map_err(|error| Error::map(format!("open {}", path.display()), &error))
}

fn create(layout: Layout) -> Result<Map> {
    let doing = || format!("create the map {}", layout.name);
    let fd = sys::create_map(&layout).map_err(|error| Error::io(doing(), &error))?;
    MapData::from_fd(fd).and_then(Map::from_map_data).map_err(|error| Error::map(doing(), &error))
}

/// Compares what is pinned with what this program would make: a map of another shape would be used without
/// a word.
pub(super) fn check(pins: &Pins) -> Result<()> {
    for layout in all() {
        let path = pins.map(layout.name);
        let info = MapInfo::from_pin(&path)
            .map_err(|error| Error::map(format!("open {}", path.display()), &error))?;
        if !layout.fits(&info) {
            return Err(Error::OtherLayout { map: path });
        }
    }
    Ok(())
}
