//! Requests without credentials, of a line that asks again and again and gives none when it is asked for some. The
//! daemon says which lines do so; here their strangers get one request a minute.

use crate::{
    abi::{RateLimit, SuspensionKey},
    account::{NOTHING, Wanted},
    frame::Packet,
    judge::World,
};

const MINUTE: u64 = 60_000_000_000;
/// One a minute.
pub const LIMIT: RateLimit = RateLimit { interval: MINUTE, tolerance: MINUTE, window: 0, window_max: 0 };

/// Whether a stranger's request is one too many. `credentials`: it may carry some.
#[inline(always)]
pub fn is_too_many<W: World>(world: &W, packet: &Packet, credentials: bool) -> bool {
    let now = world.now();
    let source = packet.source.line();
    match world.suspension(&SuspensionKey { source, what: SuspensionKey::ASKING }) {
        Some(limited) if limited.expires > now => {}
        _ => return false,
    }
    if credentials {
        world.walk_accounts(packet, Wanted::Credentials);
        if world.next_account().kind != NOTHING {
            return false;
        }
    }
    // Pass: the kernel found no memory for the state of this line.
    let Some(meter) = world.asked(&source) else { return false };
    match meter.admits(&LIMIT, 1, now, 1) {
        Some(next) => {
            meter.commit(next);
            false
        }
        None => true,
    }
}
