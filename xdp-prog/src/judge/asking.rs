//! Requests without credentials, of a line that asks again and again and gives none when it is asked for some. The
//! daemon says which lines do so; here their strangers get one request a minute.
//!
//! An IPv6 line may also be a part of a mobile carrier's network, with a customer in each /64. So networks that have
//! hardly sent anything share a limit of their own, which those that ask again and again do not spend.

use super::{World, charge};
use crate::{
    abi::{Address, RateLimit, SuspensionKey},
    account::{NOTHING, Wanted},
    frame::Packet,
};

const MINUTE: u64 = 60_000_000_000;
/// One a minute.
pub const LIMIT: RateLimit = RateLimit { interval: MINUTE, tolerance: MINUTE, window: 0, window_max: 0 };

/// For all networks of one line that have hardly sent anything, together: one a second, and a minute's at once.
pub const LIMIT_FRESH: RateLimit =
    RateLimit { interval: MINUTE / 60, tolerance: MINUTE, window: 0, window_max: 0 };

/// True: a stranger's request exceeds the limit. `credentials`: it may carry some.
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
    let (line, limit) =
        if is_fresh(world, packet, now) { (fresh(source), &LIMIT_FRESH) } else { (source, &LIMIT) };
    // Pass: the kernel found no memory for the state of this line.
    let Some(meter) = world.asked(&line) else { return false };
    match meter.admits(limit, 1, now, 1) {
        Some(next) => {
            meter.commit(next);
            false
        }
        None => true,
    }
}

/// A network of an IPv6 line that has hardly sent anything.
#[inline(always)]
fn is_fresh<W: World>(world: &W, packet: &Packet, now: u64) -> bool {
    if packet.source.is_v4() {
        return false;
    }
    match world.source_state(&packet.source.source()) {
        Some(state) => charge::has_hardly_sent(state, now),
        None => false,
    }
}

/// The key of such networks' meter: no line ends like that.
#[inline(always)]
const fn fresh(line: Address) -> Address {
    Address([line.0[0], line.0[1], 0, 1])
}
