//! The taps: copies of packets that pass the filter or leave, for the observer.

use std::collections::BTreeMap;

use super::Controller;
use sipward_kernel::{self as kernel, EgressTap, Error, Tapping};

/// Packets of strangers in a second, on each CPU: a flood that no limit stops costs the daemon no more than that.
const STRANGERS: u32 = 4_000;

/// The taps live as long as their reader.
#[derive(Debug, Default)]
pub(super) struct Taps {
    /// Of the maps that they fill.
    generation: Option<u64>,
    /// By interface, with its number.
    egress: BTreeMap<String, (u32, EgressTap)>,
}

impl Controller {
    /// Has the filter hand over what passes, and watches what leaves each interface that it is on: those that this came
    /// to, and the errors of others.
    pub fn tap(&mut self) -> Result<(Vec<String>, Vec<Error>), Error> {
        if self.is_off() {
            self.taps = Taps::default();
            return Ok(Default::default());
        }
        let generation = self.pins.generation();
        if self.taps.generation != generation {
            self.taps = Taps { generation, ..Taps::default() };
        }
        let tapping = Tapping { strangers_per_second: STRANGERS };
        if self.tables.tapping()? != Some(tapping) {
            self.tables.set_tapping(Some(tapping))?;
        }
        let there = kernel::attachments(&self.pins)?.into_iter().filter(|there| there.mode.is_some());
        let there: BTreeMap<_, _> = there
            .filter_map(|there| Some((kernel::interface_index(&there.interface).ok()?, there.interface)))
            .map(|(index, interface)| (interface, index))
            .collect();
        self.taps.egress.retain(|interface, (index, _)| there.get(interface) == Some(index));
        let (mut came, mut failed) = (Vec::new(), Vec::new());
        for (interface, index) in there {
            if self.taps.egress.contains_key(&interface) {
                continue;
            }
            match EgressTap::attach(&self.pins, &interface) {
                Ok(tap) => {
                    self.taps.egress.insert(interface.clone(), (index, tap));
                    came.push(interface);
                }
                Err(error) => failed.push(error),
            }
        }
        Ok((came, failed))
    }

    /// The taps have no reader any more.
    pub fn untap(&mut self) -> Result<(), Error> {
        self.taps = Taps::default();
        if self.is_off() { Ok(()) } else { self.tables.set_tapping(None) }
    }
}
