//! A rule's sources, as bytes for the store.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use sipward_types::time::WallSeconds;

use super::rule::{Hit, ROOM, Rule};

/// Of the bytes below; others are not read.
const VERSION: u8 = 1;
/// Version, level, flag, key.
const HEAD: usize = 1 + 1 + 1 + 8;
/// Address, rank, level, when it was dropped, when it authenticated (0: it did not).
const ROW: usize = 16 + 1 + 1 + 8 + 8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    pub rule: String,
    pub state: Vec<u8>,
}

/// The saved state of a rule cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedError {
    pub rule: String,
}

impl fmt::Display for SavedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what the ledger had of {} cannot be read; it begins anew", self.rule)
    }
}

impl Rule {
    /// If it has changed since the last time.
    pub(super) fn save(&mut self, name: &str, key: u64) -> Option<Saved> {
        self.take_changed().then(|| Saved { rule: name.to_owned(), state: self.to_bytes(key) })
    }

    fn to_bytes(&self, key: u64) -> Vec<u8> {
        let mut state = Vec::with_capacity(HEAD + self.sources.len() * ROW);
        state.extend([VERSION, self.level as u8, u8::from(self.is_flagged())]);
        state.extend(key.to_be_bytes());
        for (source, hit) in &self.sources {
            let address = match source {
                IpAddr::V4(source) => source.to_ipv6_mapped(),
                IpAddr::V6(source) => *source,
            };
            state.extend(address.octets());
            state.extend([hit.rank as u8, hit.level as u8]);
            state.extend(hit.dropped.get().to_be_bytes());
            state.extend(hit.authenticated.unwrap_or_default().get().to_be_bytes());
        }
        state
    }
}

impl Saved {
    /// With the key that its sample was taken by.
    pub(super) fn read(&self) -> Result<(u64, Rule), SavedError> {
        parse(&self.state).ok_or_else(|| SavedError { rule: self.rule.clone() })
    }
}

fn parse(state: &[u8]) -> Option<(u64, Rule)> {
    let (head, rows) = state.split_at_checked(HEAD)?;
    let &[VERSION, level, flagged, ref key @ ..] = head else { return None };
    let whole = rows.len().is_multiple_of(ROW) && rows.len() / ROW <= ROOM;
    if !whole || level > 64 || flagged > 1 {
        return None;
    }
    let sources: HashMap<_, _> = rows.chunks_exact(ROW).map(row).collect::<Option<_>>()?;
    Some((u64::from_be_bytes(key.try_into().ok()?), Rule::restored(level.into(), sources, flagged == 1)))
}

fn row(row: &[u8]) -> Option<(IpAddr, Hit)> {
    let (address, row) = row.split_first_chunk::<16>()?;
    let (&[rank, level], row) = row.split_first_chunk::<2>()?;
    let (dropped, row) = row.split_first_chunk::<8>()?;
    let authenticated = u64::from_be_bytes(row.try_into().ok()?);
    let hit = Hit {
        rank: rank.into(),
        level: level.into(),
        dropped: WallSeconds::new(u64::from_be_bytes(*dropped)),
        authenticated: (authenticated > 0).then_some(WallSeconds::new(authenticated)),
    };
    (rank <= 64 && level <= 64).then(|| (IpAddr::from(Ipv6Addr::from(*address)).to_canonical(), hit))
}
