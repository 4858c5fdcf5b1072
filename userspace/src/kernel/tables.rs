//! The filter's maps as userspace reads and writes them.

use std::fmt;

use aya::{
    Pod,
    maps::{Array, ArrayOfMaps, Map, MapData, MapError},
};
use xdp_prog::abi::{Policy, Signatures, map};

use super::{
    counters::{self, ReasonCount},
    error::{Error, Result},
    events::Events,
    layout::{DECLARED, NAMES, NOTES, Text},
    lists::{Declarations, Notes, Prefixes, Sources},
    maps::{self, Maps},
    pins::Pins,
};

/// The maps, with or without the program at hand.
pub struct Tables {
    pub(super) maps: Maps,
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.maps.keys()).finish()
    }
}

impl Tables {
    /// Those of the filter that is pinned.
    pub fn open(pins: &Pins) -> Result<Self> {
        if !pins.is_there()? {
            return Err(Error::NothingAttached);
        }
        Ok(Self { maps: maps::from_pins(pins)? })
    }

    /// The policy in force, if there is one.
    pub fn policy(&self) -> Result<Option<Box<Policy>>> {
        let fail = |error| Error::map("read the policy", &error);
        let outer: ArrayOfMaps<_, Array<MapData, Policy>> = self.typed(map::POLICY)?;
        match outer.get(&0, 0) {
            Ok(inner) => inner.get(&0, 0).map(Box::new).map(Some).map_err(fail),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(fail(error)),
        }
    }

    /// Puts a policy in force, as a whole.
    pub fn set_policy(&mut self, policy: &Policy) -> Result<()> {
        self.swap(map::POLICY, policy)
    }

    /// Puts a set of signatures in force, as a whole. Their hits are counted by id: set the names with it.
    pub fn set_signatures(&mut self, signatures: &Signatures) -> Result<()> {
        self.swap(map::SIGNATURES, signatures)
    }

    /// Names the signatures in force, for those who ask later. The hits of those that stay are kept.
    pub fn set_signature_names(&mut self, names: &[String]) -> Result<()> {
        let before = self.signature_names()?;
        counters::carry_over(self.typed_mut(map::SIGNATURE_HITS)?, &before, names)?;
        let mut map: Array<_, Text> = self.typed_mut(NAMES)?;
        for index in 0..before.len().max(names.len()) {
            let text = names.get(index).map_or([0; _], |name| to_text(name));
            map.set(index as u32, text, 0).map_err(|error| Error::map("name the signatures", &error))?;
        }
        Ok(())
    }

    /// By id.
    pub fn signature_names(&self) -> Result<Vec<String>> {
        let map: Array<_, Text> = self.typed(NAMES)?;
        let mut names = Vec::new();
        for text in map.iter() {
            match from_text(&text.map_err(|error| Error::map("read the signatures' names", &error))?) {
                name if name.is_empty() => break,
                name => names.push(name),
            }
        }
        Ok(names)
    }

    pub fn sources(&mut self) -> Result<Sources<'_>> {
        Sources::new(self.map_mut(map::SOURCES)?)
    }

    pub fn prefixes(&mut self) -> Result<Prefixes<'_>> {
        self.typed_mut(map::PREFIXES).map(Prefixes)
    }

    /// What was said about prefixes.
    pub fn declarations(&mut self) -> Result<Declarations<'_>> {
        self.typed_mut(DECLARED).map(Declarations)
    }

    pub fn notes(&mut self) -> Result<Notes<'_>> {
        self.typed_mut(NOTES).map(Notes)
    }

    pub fn counters(&self) -> Result<Vec<ReasonCount>> {
        counters::read(&self.typed(map::COUNTERS)?)
    }

    /// How often each signature, by its id, has dropped a packet.
    pub fn signature_hits(&self) -> Result<Vec<u64>> {
        counters::read_hits(&self.typed(map::SIGNATURE_HITS)?)
    }

    /// The drops that are told from now on, and those that nobody has read yet. One reader at a time.
    pub fn events(&mut self) -> Result<Events<'_>> {
        self.typed_mut(map::EVENTS).map(Events::new)
    }

    /// Fills a new inner map and puts it in the place of the old one. The kernel returns when no packet
    /// reads that one any more.
    fn swap<T: Pod>(&mut self, name: &'static str, value: &T) -> Result<()> {
        let fail = |error| Error::map(format!("write to the map {name}"), &error);
        let mut inner = Array::create(1, 0).map_err(fail)?;
        inner.set(0, value, 0).map_err(fail)?;
        let mut outer: ArrayOfMaps<_, Array<MapData, T>> = self.typed_mut(name)?;
        outer.set(0, &inner, 0).map_err(fail)
    }

    fn map_mut(&mut self, name: &'static str) -> Result<&mut Map> {
        self.maps.get_mut(name).ok_or_else(|| missing(name))
    }

    fn typed<'a, T>(&'a self, name: &'static str) -> Result<T>
    where
        T: TryFrom<&'a Map, Error = MapError>,
    {
        let map = self.maps.get(name).ok_or_else(|| missing(name))?;
        T::try_from(map).map_err(|error| Error::map(format!("use the map {name}"), &error))
    }

    fn typed_mut<'a, T>(&'a mut self, name: &'static str) -> Result<T>
    where
        T: TryFrom<&'a mut Map, Error = MapError>,
    {
        T::try_from(self.map_mut(name)?).map_err(|error| Error::map(format!("use the map {name}"), &error))
    }
}

fn missing(name: &str) -> Error {
    Error::failed(format!("use the map {name}"), "it is not there")
}

/// As much of it as fits.
pub(super) fn to_text(text: &str) -> Text {
    let mut bytes = [0; _];
    let length = text.floor_char_boundary(size_of::<Text>());
    bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
    bytes
}

pub(super) fn from_text(text: &Text) -> String {
    let length = text.iter().position(|&byte| byte == 0).unwrap_or(text.len());
    String::from_utf8_lossy(&text[..length]).into_owned()
}
