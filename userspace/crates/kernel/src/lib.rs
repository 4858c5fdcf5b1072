//! The only place that knows aya: the program and its maps, loaded, attached, pinned, read and written.

mod attach;
mod capability;
mod captures;
mod carry_over;
pub mod clock;
mod counters;
mod egress;
mod error;
mod events;
mod features;
mod filter;
mod flows;
mod guesses;
mod hash;
mod hold;
mod interface;
mod layout;
mod link_news;
mod lists;
mod maps;
mod netlink;
mod object;
mod pins;
mod pod;
mod program;
mod ring;
mod states;
mod suspensions;
mod sys;
mod tables;
mod taps;

pub use self::{
    attach::{
        Attachment, XdpChoice, attach_pinned, attachments, check, detach, is_of_another_build, keep_links,
        take_links,
    },
    capability::missing_capabilities,
    captures::{Captured, Captures, Capturing, Judged},
    counters::ReasonCount,
    egress::{EgressHook, EgressTap},
    error::{Error, LOG_LINES, Result},
    events::Events,
    features::Features,
    filter::{Filter, LoadOptions},
    flows::KnownFlows,
    guesses::{GivenBack, GuessStates, Worked},
    hash::Batch,
    hold::Hold,
    interface::{index as interface_index, name as interface_name},
    link_news::LinkNews,
    lists::{Declarations, Prefixes, Sources},
    netlink::XdpMode,
    object::object_hash,
    pins::{PinLock, Pins},
    program::{PinnedProgram, program_on},
    ring::Ring,
    states::States,
    suspensions::{SuspensionEntry, SuspensionTarget, Suspensions, TargetKind},
    sys::Bucket,
    tables::Tables,
    taps::{Tap, TapLosses, Tapping, Taps},
};
