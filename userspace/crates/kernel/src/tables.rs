//! The filter's maps as userspace reads and writes them.

use std::{fmt, net::IpAddr, os::fd::AsFd as _};

use aya::maps::{Array, HashMap, Map, MapError, PerCpuArray};
use xdp_prog::abi::{
    Active, Address, AddressHash, Capture, CaptureState, GuardState, Plain, Policy, SLOTS, Signatures,
    TapState, map,
};

use super::{
    captures::{self, Captures, Capturing},
    counters::{self, ReasonCount},
    error::{Error, Result},
    events::Events,
    flows::KnownFlows,
    guesses::{GivenBack, GuessStates, Worked},
    hash::found,
    layout::{BUILD, DECLARED, Hash, NAMES, Text},
    lists::{Declarations, Prefixes, Sources},
    maps::{self, Maps},
    pins::Pins,
    pod::Pod,
    ring::Ring,
    states::States,
    suspensions::{self, Suspensions},
    sys,
    taps::{self, TapLosses, Tapping, Taps},
};
use crate::clock;

use sipward_types::{address::to_key, time::KernelTime};

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
        pins.check_there()?;
        Ok(Self { maps: maps::from_pins(pins)? })
    }

    /// The policy in force, if there is one.
    pub fn policy(&self) -> Result<Option<Box<Policy>>> {
        let Some(slot) = self.active()?.policy.checked_sub(1) else { return Ok(None) };
        let slots: Array<_, Pod<Policy>> = self.typed(map::POLICY)?;
        let Pod(policy) = slots.get(&slot, 0).map_err(|error| Error::map("read the policy", &error))?;
        Ok(Some(Box::new(policy)))
    }

    /// Puts a policy in force, as a whole.
    pub fn set_policy(&mut self, policy: &Policy) -> Result<()> {
        let active = self.active()?;
        let slot = self.fill(map::POLICY, active.policy, policy)?;
        self.activate(Active { policy: slot, ..active })
    }

    /// The signatures in force, if there are any.
    pub fn signatures(&self) -> Result<Option<Box<Signatures>>> {
        let Some(slot) = self.active()?.signatures.checked_sub(1) else { return Ok(None) };
        // Compares the sizes. Its own `get` would pass five megabytes over the stack.
        let _: Array<_, Pod<Signatures>> = self.typed(map::SIGNATURES)?;
        let Some(Map::Array(data)) = self.maps.get(map::SIGNATURES) else {
            return Err(missing(map::SIGNATURES));
        };
        sys::lookup(data.fd().as_fd(), &slot)
            .map(Some)
            .map_err(|error| Error::io(format!("read the map {}", map::SIGNATURES), &error))
    }

    /// Puts a set of signatures in force, as a whole. Their hits are counted by id: set the names with it.
    pub fn set_signatures(&mut self, signatures: &Signatures) -> Result<()> {
        let active = self.active()?;
        let slot = self.fill(map::SIGNATURES, active.signatures, signatures)?;
        self.activate(Active { signatures: slot, ..active })
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

    /// Which object the program in force is from, if that is known.
    pub fn build(&self) -> Result<Option<[u8; 32]>> {
        let map: Array<_, Hash> = self.typed(BUILD)?;
        let hash = map.get(&0, 0).map_err(|error| Error::map(format!("read the map {BUILD}"), &error))?;
        Ok((hash != [0; _]).then_some(hash))
    }

    pub fn set_build(&mut self, hash: Option<[u8; 32]>) -> Result<()> {
        let mut map: Array<_, Hash> = self.typed_mut(BUILD)?;
        map.set(0, hash.unwrap_or_default(), 0)
            .map_err(|error| Error::map(format!("write to the map {BUILD}"), &error))
    }

    pub fn sources(&mut self) -> Result<Sources<'_>> {
        Sources::new(self.map_mut(map::SOURCES)?)
    }

    pub fn prefixes(&mut self) -> Result<Prefixes<'_>> {
        self.typed_mut(map::PREFIXES).map(Prefixes)
    }

    /// The list entries of prefixes.
    pub fn declarations(&mut self) -> Result<Declarations<'_>> {
        Declarations::new(self.map_mut(DECLARED)?)
    }

    pub fn counters(&self) -> Result<Vec<ReasonCount>> {
        counters::read(&self.typed(map::COUNTERS)?)
    }

    /// The number of packets that each signature, by its id, has dropped.
    pub fn signature_hits(&self) -> Result<Vec<u64>> {
        counters::read_hits(&self.typed(map::SIGNATURE_HITS)?)
    }

    pub fn states(&self) -> Result<States<'_>> {
        Ok(States { sources: self.typed(map::SOURCE_STATE)?, prefixes: self.typed(map::PREFIX_STATE)? })
    }

    /// The drops that are emitted from now on, and those that nobody has read yet. One reader at a time.
    pub fn events(&self) -> Result<Events> {
        Events::open(self.map(map::EVENTS)?, map::EVENTS)
    }

    /// The capture in progress, if there is one.
    pub fn capturing(&self) -> Result<Option<Capturing>> {
        let map: Array<_, Pod<Capture>> = self.typed(map::CAPTURE)?;
        let in_map = map.get(&0, 0);
        let Pod(in_map) =
            in_map.map_err(|error| Error::map(format!("read the map {}", map::CAPTURE), &error))?;
        Ok(captures::from_map(in_map, clock::now()))
    }

    /// Has packets captured, or no more.
    pub fn set_capturing(&mut self, capturing: Option<Capturing>) -> Result<()> {
        let mut map: Array<_, Pod<Capture>> = self.typed_mut(map::CAPTURE)?;
        map.set(0, Pod(captures::to_map(capturing)), 0)
            .map_err(|error| Error::map(format!("write to the map {}", map::CAPTURE), &error))
    }

    /// The packets that are captured from now on: what an earlier reader has left is thrown away. One reader at a time.
    pub fn captures(&self) -> Result<Captures> {
        let mut captures = Captures::open(self.map(map::CAPTURES)?, map::CAPTURES)?;
        captures.by_ref().for_each(drop);
        Ok(captures)
    }

    /// Packets that were to be captured and were not, since the filter was loaded: they were too many.
    pub fn captures_missed(&self) -> Result<u64> {
        let map: PerCpuArray<_, Pod<CaptureState>> = self.typed(map::CAPTURE_STATE)?;
        let states = map.get(&0, 0);
        let states =
            states.map_err(|error| Error::map(format!("read the map {}", map::CAPTURE_STATE), &error))?;
        Ok(states.iter().map(|state| state.missed).sum())
    }

    /// The taps: packets that pass or leave from now on. Packets left by an earlier reader are discarded. One reader at a
    /// time.
    pub fn taps(&self) -> Result<Taps> {
        let open = |name| Ring::open(self.map(name)?, name);
        let mut taps = Taps::new(open(map::TAPS_KNOWN)?, open(map::TAPS_STRANGERS)?);
        taps.drain(KernelTime::FOREVER, usize::MAX, |_| {});
        Ok(taps)
    }

    /// True if packets are handed over.
    pub fn tapping(&self) -> Result<Option<Tapping>> {
        Ok(taps::from_map(suspensions::read_guard(&self.typed(map::GUARD)?)?))
    }

    /// Has packets handed over, or no more.
    pub fn set_tapping(&mut self, tapping: Option<Tapping>) -> Result<()> {
        let mut map: Array<_, Pod<GuardState>> = self.typed_mut(map::GUARD)?;
        let guard = suspensions::read_guard(&map)?;
        suspensions::write_guard(&mut map, taps::to_map(tapping, guard))
    }

    /// Losses of the taps since the filter was loaded.
    pub fn tap_losses(&self) -> Result<TapLosses> {
        let map: PerCpuArray<_, Pod<TapState>> = self.typed(map::TAP_STATE)?;
        let states = map.get(&0, 0);
        let states =
            states.map_err(|error| Error::map(format!("read the map {}", map::TAP_STATE), &error))?;
        Ok(taps::losses(states.iter().map(|Pod(state)| state)))
    }

    /// The suspensions and locks.
    pub fn suspensions(&mut self) -> Result<Suspensions<'_>> {
        let mut entries = None;
        let mut guard = None;
        for (&name, map) in &mut self.maps {
            match name {
                map::SUSPENDED => entries = Some(map),
                map::GUARD => guard = Some(map),
                _ => {}
            }
        }
        let guard = guard.ok_or_else(|| missing(map::GUARD))?;
        let guard = Array::try_from(guard)
            .map_err(|error: MapError| Error::map(format!("use the map {}", map::GUARD), &error))?;
        Suspensions::new(entries.ok_or_else(|| missing(map::SUSPENDED))?, guard)
    }

    /// Whose budgets are their own.
    pub fn known_flows(&mut self) -> Result<KnownFlows<'_>> {
        KnownFlows::new(self.map_mut(map::KNOWN_FLOWS)?)
    }

    /// Which accounts have worked where.
    pub fn worked(&mut self) -> Result<Worked<'_>> {
        Worked::new(self.map_mut(map::WORKED)?)
    }

    /// The charges given back to lines.
    pub fn given_back(&mut self) -> Result<GivenBack<'_>> {
        GivenBack::new(self.map_mut(map::REFUNDS)?)
    }

    /// The guesses of lines.
    pub fn guess_states(&self) -> Result<GuessStates<'_>> {
        let watched: Array<_, u64> = self.typed(map::WATCHED)?;
        let watched_at = watched.get(&0, 0);
        Ok(GuessStates {
            issued: self.typed(map::GUESSES_ISSUED)?,
            other: self.typed(map::GUESSES_OTHER)?,
            watched_at: watched_at
                .map(KernelTime::from_nanos)
                .map_err(|error| Error::map(format!("read the map {}", map::WATCHED), &error))?,
        })
    }

    /// Gives all lines their budget for issued nonces anew.
    pub fn forget_issued_guesses(&mut self) -> Result<()> {
        let mut map: HashMap<_, Pod<Address>, [u64; 2]> = self.typed_mut(map::GUESSES_ISSUED)?;
        let failed = |error| Error::map(format!("clear the map {}", map::GUESSES_ISSUED), &error);
        let lines: Vec<_> = map.keys().collect::<std::result::Result<_, _>>().map_err(failed)?;
        for line in lines {
            match map.remove(&line) {
                Ok(()) | Err(MapError::KeyNotFound) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    /// True if a nonce, by its [hash](xdp_prog::account::nonce_hash), was sent to an address.
    pub fn was_issued(&self, address: IpAddr, nonce: u64) -> Result<bool> {
        let map: HashMap<_, Pod<AddressHash>, u64> = self.typed(map::ISSUED)?;
        Ok(found(map.get(&Pod(AddressHash { address: to_key(address), hash: nonce }), 0))?.is_some())
    }

    /// Has a nonce count as sent to an address, as the egress program does it; and what leaves as seen until `now` and a
    /// little longer.
    pub fn issue(&mut self, address: IpAddr, nonce: u64, now: KernelTime) -> Result<()> {
        let mut issued: HashMap<_, Pod<AddressHash>, u64> = self.typed_mut(map::ISSUED)?;
        let key = AddressHash { address: to_key(address), hash: nonce };
        issued
            .insert(Pod(key), now.as_nanos(), 0)
            .map_err(|error| Error::map(format!("write to the map {}", map::ISSUED), &error))?;
        let mut watched: Array<_, u64> = self.typed_mut(map::WATCHED)?;
        watched
            .set(0, now.as_nanos(), 0)
            .map_err(|error| Error::map(format!("write to the map {}", map::WATCHED), &error))
    }

    fn active(&self) -> Result<Active> {
        let map: Array<_, Pod<Active>> = self.typed(map::ACTIVE)?;
        let Pod(active) =
            map.get(&0, 0).map_err(|error| Error::map(format!("read the map {}", map::ACTIVE), &error))?;
        Ok(active)
    }

    /// Fills the slot that is not `active`, and gives its number as [`Active`] counts.
    fn fill<T: Plain>(&mut self, name: &'static str, active: u32, value: &T) -> Result<u32> {
        let slot = active % SLOTS as u32;
        let mut slots: Array<_, Pod<T>> = self.typed_mut(name)?;
        slots
            .set(slot, Pod::of(value), 0)
            .map_err(|error| Error::map(format!("write to the map {name}"), &error))?;
        Ok(slot + 1)
    }

    /// Has packets judged by these slots from now on. When it returns, no packet uses another any more, so that
    /// those may be filled again.
    fn activate(&mut self, active: Active) -> Result<()> {
        let mut map: Array<_, Pod<Active>> = self.typed_mut(map::ACTIVE)?;
        map.set(0, Pod(active), 0)
            .map_err(|error| Error::map(format!("write to the map {}", map::ACTIVE), &error))?;
        sys::wait_for_readers();
        Ok(())
    }

    fn map(&self, name: &'static str) -> Result<&Map> {
        self.maps.get(name).ok_or_else(|| missing(name))
    }

    fn map_mut(&mut self, name: &'static str) -> Result<&mut Map> {
        self.maps.get_mut(name).ok_or_else(|| missing(name))
    }

    fn typed<'a, T>(&'a self, name: &'static str) -> Result<T>
    where
        T: TryFrom<&'a Map, Error = MapError>,
    {
        T::try_from(self.map(name)?).map_err(|error| Error::map(format!("use the map {name}"), &error))
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
