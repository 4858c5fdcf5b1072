//! The limit on the passwords that a stranger may try. Credentials are charged to the line that they come from,
//! regardless of the method, the account or the nonce, unless the account has worked there before.
//!
//! Each line has two budgets. The *issued* one is for nonces that were sent to that very address, and for TCP: only a
//! sender that receives the packets for that address can spend it. The *other* one is for all other nonces: made up,
//! old, or issued to another address. A forger of addresses can spend no other, and a phone that answers its own
//! challenge does not need it.
//!
//! The daemon gives back the charges for requests that the PBX did not refuse ([`Refunds`]). Without the daemon the
//! plain limit holds.

use super::{World, segments};
use crate::{
    abi::{AddressHash, GuessLimit, GuessState, RateLimit, Refunds},
    account::{MORE, NOTHING, Named, Wanted, flag},
    frame::{self, OFFSET_MAX, Packet, TCP},
    packed::{Packed, packed_enum},
    reason::Reason,
    siphash,
};

/// Credentials in one packet that are looked at.
const HEADERS_MAX: u32 = 16;
/// A phone sends the same request again for as long as this.
pub const RETRANSMISSIONS: u64 = 32_000_000_000;
/// The number of new lines that get an `other` budget in a second, and at once. Forged addresses must not push the
/// state of an attacker out of its table within an hour: the table has room for more than twice as many.
pub const NEW_LINES: RateLimit =
    RateLimit { interval: 100_000_000, tolerance: 4096 * 100_000_000, window: 0, window_max: 0 };
/// More guesses than any budget has.
const GUESSES_MAX: u64 = 4096;
/// The longest interval: at least one guess an hour.
pub const INTERVAL_MAX: u64 = 3_600_000_000_000;
const _: () = assert!(INTERVAL_MAX < u64::MAX / GUESSES_MAX);
/// Successes that give room at most.
pub const ROOM_MAX: u64 = 64;

/// The budget that is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Budget {
    Issued = 0,
    Other = 1,
}

packed_enum!(Budget: Issued | Other, or Other);

/// The meaning of a packet's credentials for the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Guess {
    /// It has none, or it was charged before.
    Free = 0,
    /// It is one guess, or several.
    Issued = 1,
    Other = 2,
    OverIssued = 3,
    OverOther = 4,
    /// Two user names where there may be one.
    Names = 5,
    /// All of them are of accounts that have worked there.
    Worked = 6,
}

packed_enum!(Guess: Free | Issued | Other | OverIssued | OverOther | Names | Worked, or Free);

impl Guess {
    /// There is no room in that budget.
    #[inline(always)]
    const fn over(budget: Budget) -> Self {
        match budget {
            Budget::Issued => Self::OverIssued,
            Budget::Other => Self::OverOther,
        }
    }

    /// Why the packet drops, if it does.
    #[inline(always)]
    pub const fn reason(self) -> Option<Reason> {
        match self {
            Self::Free | Self::Worked | Self::Issued | Self::Other => None,
            Self::OverIssued => Some(Reason::RateCredentials),
            Self::OverOther => Some(Reason::RateNonce),
            Self::Names => Some(Reason::FormNames),
        }
    }

    /// They answer a challenge to its sender, or their accounts have worked there.
    #[inline(always)]
    pub const fn is_answer(self) -> bool {
        matches!(self, Self::Issued | Self::Worked)
    }

    /// Which budget was charged, as a packet carries it to the daemon.
    #[inline(always)]
    pub const fn charged(self) -> Option<Budget> {
        match self {
            Self::Issued => Some(Budget::Issued),
            Self::Other => Some(Budget::Other),
            Self::Free | Self::Worked | Self::OverIssued | Self::OverOther | Self::Names => None,
        }
    }
}

/// The way in which the credentials of a packet are judged. `policy`: the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuessPlan {
    /// The credentials are in a text that goes on in the middle of a header.
    pub is_rest: bool,
    /// A packet with two user names is refused.
    pub refuse_names: bool,
    pub policy: u32,
}

impl GuessPlan {
    #[inline(always)]
    pub const fn wanted(self) -> Wanted {
        if self.is_rest { Wanted::RestOfHeader } else { Wanted::Credentials }
    }
}

impl Packed for GuessPlan {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        self.refuse_names as u32 | (self.is_rest as u32) << 1 | self.policy << 2
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        Self { is_rest: word & 2 != 0, refuse_names: word & 1 != 0, policy: word >> 2 }
    }
}

/// A charge to one of the budgets of a line. `policy`: the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuessCharge {
    pub budget: Budget,
    pub guesses: u32,
    pub policy: u32,
}

impl Packed for GuessCharge {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        self.budget as u32 | self.policy << 1 | self.guesses << 16
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        Self { budget: Budget::unpack(word & 1), guesses: word >> 16, policy: word >> 1 & 0xff }
    }
}

/// The tally of a packet's credentials while they are looked at. The kernel keeps it in its scratch memory, because the
/// verifier would go each way through the rest for each number that it could follow.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Tally {
    /// The number of headers with credentials, and of those among them that are charged.
    pub headers: u32,
    count: u32,
    /// A set of [`tally`] flags.
    flags: u32,
}

mod tally {
    /// One of their nonces was issued to this address.
    pub(super) const ISSUED: u32 = 1;
    /// Not all of them was seen, so that two that look alike may be two guesses.
    pub(super) const UNSEEN: u32 = 2;
}

/// Charges a packet that may carry credentials. `refuse_names`: a packet with two user names is refused. `wanted`: the
/// credentials of the whole message, or those in the rest of a header.
#[inline(always)]
pub fn judge<W: World>(world: &W, packet: &Packet, wanted: Wanted, refuse_names: bool) -> Guess {
    let Some(policy) = world.policy() else { return Guess::Free };
    world.walk_accounts(packet, wanted);
    world.set_tally(Tally::default());
    let mut headers = 0;
    while headers <= HEADERS_MAX {
        let named = world.next_account();
        if named.kind == NOTHING {
            break;
        }
        // In a body, the PBX does not read two names. In another message, they are charged in any case.
        if named.flags & (flag::NAMES | flag::LATER) == flag::NAMES && refuse_names {
            return Guess::Names;
        }
        world.add_guess(packet);
        if named.kind == MORE {
            break;
        }
        headers += 1;
    }
    let Tally { mut count, mut flags, .. } = world.tally();
    world.set_tally(Tally { headers, count, flags });
    if headers > HEADERS_MAX {
        // The accounts of the others are not known.
        count += 1;
        flags |= tally::UNSEEN;
    }
    if policy.guesses.issued.interval == 0 {
        return Guess::Free;
    }
    if count == 0 {
        return if headers == 0 { Guess::Free } else { Guess::Worked };
    }
    // Several in a datagram are for one PBX, or for one behind it. In a segment each may be of another request.
    let guesses = if packet.protocol == TCP { count } else { 1 };
    // Over a connection the source address cannot be forged. Where packets that leave are not seen, no nonce would
    // count as issued.
    let is_connected = packet.is(frame::flag::CONNECTED);
    let issued = flags & tally::ISSUED != 0 || is_connected || !world.watched();
    let budget = if issued { Budget::Issued } else { Budget::Other };
    let is_fragment = packet.is(frame::flag::FIRST_FRAGMENT) || packet.destination_port == 0;
    let is_whole = !is_fragment
        && siphash::LENGTHS.contains(&packet.length)
        && packet.offset + packet.length <= OFFSET_MAX;
    // Before the fingerprint, which costs more: a flood of forged senders ends here.
    if !world.is_line_counted(packet, budget) {
        return Guess::over(budget);
    }
    let is_seen = is_whole && flags & tally::UNSEEN == 0;
    let fingerprint = if is_seen { fingerprint_of(world, packet, policy.fingerprint_key) } else { UNSEEN };
    world.charge_guesses(packet, budget, fingerprint, guesses)
}

/// Adds credentials to the tally, unless their account has worked there.
#[inline(always)]
pub fn add<W: World>(world: &W, packet: &Packet, named: &Named) {
    let worked = AddressHash { address: packet.source.source(), hash: named.name };
    if named.is_certain() && world.worked(&worked) {
        return;
    }
    let issued = world.issued(&AddressHash { address: packet.source, hash: named.nonce });
    let Tally { headers, count, flags } = world.tally();
    let unseen = named.kind == MORE || named.flags & flag::CUT != 0;
    let issued = if issued { tally::ISSUED } else { 0 };
    world.set_tally(Tally {
        headers,
        count: count + 1,
        flags: flags | issued | if unseen { tally::UNSEEN } else { 0 },
    });
}

/// The fingerprint of a whole request, because a request that is sent again is the same. The credentials alone would not
/// do: a PBX may refuse a request for something else, which is given back, and the same credentials would be free in the
/// next one. In a connection the same bytes in another place are another request.
#[inline(always)]
fn fingerprint_of<W: World>(world: &W, packet: &Packet, [key, seed]: [u64; 2]) -> u64 {
    let place = if packet.protocol == TCP { segments::place_number(packet, seed) } else { 0 };
    world.hash(packet, [key, seed ^ place])
}

/// Instead of a fingerprint: the same request is charged again.
pub const UNSEEN: u64 = 0;

/// True: the line has a state, or one could be made. Of either budget, because a request that is sent again may be of
/// the other one by now.
#[inline(always)]
pub fn is_line_counted<W: World>(world: &W, packet: &Packet, budget: Budget) -> bool {
    let line = packet.source.line();
    world.has_guess_state(&line) || world.guess_state(budget, &line).is_some()
}

/// Charges a line for `guesses` at once, or for none. `fingerprint`: that of the request, which is charged once.
#[inline(always)]
pub fn charge<W: World>(world: &W, packet: &Packet, budget: Budget, fingerprint: u64, guesses: u32) -> Guess {
    let Some(policy) = world.policy() else { return Guess::Free };
    let now = world.now();
    let line = packet.source.line();
    let again = AddressHash { address: line, hash: fingerprint };
    if fingerprint != UNSEEN && world.charged_until(&again) > now {
        return Guess::Free;
    }
    let (limit, charged) = match budget {
        Budget::Issued => (&policy.guesses.issued, Guess::Issued),
        Budget::Other => (&policy.guesses.other, Guess::Other),
    };
    let over = Guess::over(budget);
    // Drop: a flood of forged senders, or no memory, must not be what ends the bound.
    let Some(state) = world.guess_state(budget, &line) else { return over };
    let refunds = world.refunds(&line);
    state.take_back(refunds.of(budget), limit);
    // For phones that answer their own challenges: others need none of it.
    let has_room = matches!(budget, Budget::Issued) && refunds.room_until > now;
    let room = if has_room { refunds.room } else { 0 };
    if !state.admit(limit, room, now, guesses as u64) {
        return over;
    }
    if fingerprint != UNSEEN {
        world.charge_once(&again, now + RETRANSMISSIONS);
    }
    charged
}

impl Refunds {
    #[inline(always)]
    const fn of(&self, budget: Budget) -> u64 {
        match budget {
            Budget::Issued => self.issued,
            Budget::Other => self.other,
        }
    }
}

/// The time that so many guesses cost. No budget is larger than the bound; without it the product could overflow.
#[inline(always)]
const fn cost(limit: &GuessLimit, guesses: u64) -> u64 {
    limit.interval.wrapping_mul(if guesses > GUESSES_MAX { GUESSES_MAX } else { guesses })
}

/// Two CPUs that charge one line at the same moment take turns, so that the race is not worth a guess. After so many
/// turns a packet is refused; its sender sends it again.
const TURNS: u32 = 4;

impl GuessState {
    /// Counts in the daemon's refunds that are not yet counted in. `total`: all of them.
    #[inline(always)]
    fn take_back(&self, total: u64, limit: &GuessLimit) {
        let counted = self.counted.get();
        // Of two CPUs that see the same difference, only one gives it back. A daemon that has begun anew gives nothing
        // back.
        if total == counted || !self.counted.replace(counted, total) || total < counted {
            return;
        }
        let back = cost(limit, total - counted);
        let mut turns = 0;
        while turns < TURNS {
            let empty_at = self.empty_at.get();
            if self.empty_at.replace(empty_at, empty_at.saturating_sub(back)) {
                return;
            }
            turns += 1;
        }
    }

    /// Charges `guesses`, if there is room for them. A refused packet costs nothing.
    #[inline(always)]
    fn admit(&self, limit: &GuessLimit, room: u64, now: u64, guesses: u64) -> bool {
        let room = if room > ROOM_MAX { ROOM_MAX } else { room };
        let most = cost(limit, limit.burst as u64 + room);
        let cost = cost(limit, guesses);
        let mut turns = 0;
        while turns < TURNS {
            let old = self.empty_at.get();
            let empty_at = (if old > now { old } else { now }).saturating_add(cost);
            if empty_at - now > most {
                return false;
            }
            if self.empty_at.replace(old, empty_at) {
                return true;
            }
            turns += 1;
        }
        false
    }

    /// The number of guesses that are left now.
    pub fn left(&self, limit: &GuessLimit, refunded: u64, room: u64, now: u64) -> u64 {
        if limit.interval == 0 {
            return u64::MAX;
        }
        let back = cost(limit, refunded.saturating_sub(self.counted.get()));
        let empty_at = self.empty_at.get().saturating_sub(back).max(now);
        let most = cost(limit, u64::from(limit.burst) + room.min(ROOM_MAX));
        most.saturating_sub(empty_at - now) / limit.interval
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const MINUTE: u64 = 60 * SECOND;
    const HOUR: u64 = 3600 * SECOND;

    /// As the configuration has them if it says nothing.
    const LIMITS: [GuessLimit; 2] = [
        GuessLimit { interval: HOUR.div_ceil(7), burst: 8, reserved: 0 },
        GuessLimit { interval: HOUR.div_ceil(3), burst: 2, reserved: 0 },
    ];

    #[derive(Default)]
    struct Line([GuessState; 2]);

    impl Line {
        fn guess(&self, budget: Budget, room: u64, now: u64) -> bool {
            self.0[budget as usize].admit(&LIMITS[budget as usize], room, now, 1)
        }

        fn give_back(&self, budget: Budget, total: u64) {
            self.0[budget as usize].take_back(total, &LIMITS[budget as usize]);
        }
    }

    fn most_within(passed: &[u64], span: u64) -> usize {
        let from = |first: usize| passed[first..].iter().take_while(|at| **at - passed[first] < span).count();
        (0..passed.len()).map(from).max().unwrap_or(0)
    }

    fn budget() -> impl Strategy<Value = Budget> {
        prop_oneof![Just(Budget::Issued), Just(Budget::Other)]
    }

    proptest! {
        #[test]
        fn twelve_in_ten_minutes_and_twenty_in_an_hour(
            tries in proptest::collection::vec((budget(), prop_oneof![0..SECOND, 0..20 * MINUTE]), 1..400)
        ) {
            let line = Line::default();
            let mut now = SECOND;
            let mut passed = vec![];
            for (budget, pause) in tries {
                now += pause;
                if line.guess(budget, 0, now) {
                    passed.push(now);
                }
            }
            prop_assert!(most_within(&passed, 10 * MINUTE) <= 12);
            prop_assert!(most_within(&passed, HOUR) <= 20);
        }

        /// Each refund counts once, and never makes more room than the burst.
        #[test]
        fn what_is_given_back_is_given_once(
            steps in proptest::collection::vec((any::<bool>(), 0..10 * MINUTE), 1..200)
        ) {
            let line = Line::default();
            let (mut now, mut total, mut passed, mut since) = (SECOND, 0, 0, 0);
            let start = now;
            for (give, pause) in steps {
                now += pause;
                if give {
                    total += 1;
                    line.give_back(Budget::Issued, total);
                    line.give_back(Budget::Issued, total);
                }
                let room = LIMITS[0].burst as u64 + total + (now - start) / LIMITS[0].interval + 1;
                while line.guess(Budget::Issued, 0, now) {
                    passed += 1;
                    since += 1;
                }
                prop_assert!(passed <= room, "{passed} of {room}");
                prop_assert!(since <= LIMITS[0].burst, "at once");
                since = 0;
            }
        }
    }

    #[test]
    fn room_for_more_is_room_for_a_time() {
        let line = Line::default();
        let all = |room, now| (0..100).filter(|_| line.guess(Budget::Issued, room, now)).count();
        assert_eq!(all(5, SECOND), 13);
        assert_eq!(all(0, SECOND + 5 * LIMITS[0].interval), 0, "what was tried in that time is not forgiven");
        assert_eq!(all(0, SECOND + 6 * LIMITS[0].interval), 1);
        assert_eq!(all(1_000, SECOND + 6 * LIMITS[0].interval), ROOM_MAX as usize);
    }

    #[test]
    fn what_is_left_is_what_passes() {
        for tried in 0..10 {
            let line = Line::default();
            let passed = (0..tried).filter(|_| line.guess(Budget::Issued, 0, SECOND)).count() as u64;
            assert_eq!(line.0[0].left(&LIMITS[0], 0, 0, SECOND), 8 - passed);
            assert_eq!(line.0[0].left(&LIMITS[0], 2, 0, SECOND), (8 - passed + 2).min(8));
        }
    }

    #[test]
    fn a_daemon_that_counts_from_nothing_gives_nothing() {
        let line = Line::default();
        line.give_back(Budget::Issued, 50);
        while line.guess(Budget::Issued, 0, SECOND) {}
        line.give_back(Budget::Issued, 3);
        assert!(!line.guess(Budget::Issued, 0, SECOND));
        line.give_back(Budget::Issued, 4);
        assert!(line.guess(Budget::Issued, 0, SECOND));
    }
}
