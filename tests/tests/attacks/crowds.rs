//! Crowds of customers that all start at once, before a real PBX: all of them are in while their first try lasts.

use std::{net::IpAddr, thread, time::Duration};

use sipward_tests::{
    attack::{Crowd, Site, Transport, pbx, v4_of, v6_of},
    cpu::go_ahead,
    exchange::{Exchange, Make},
};

use crate::site::Guarded;

const PHONES: u32 = 200;
/// In which they start.
const SPREAD: Duration = Duration::from_secs(20);
/// A request is sent again for so long.
const TRY: Duration = Duration::from_secs(32);

/// The `n`th phone behind one of 64 addresses of a /24.
fn natted(n: u32) -> IpAddr {
    v4_of(93, 1, (n % 64) as u8 + 1)
}

/// The `n`th phone of a mobile carrier: it has a /64 of its own.
fn mobile(n: u32) -> IpAddr {
    v6_of(0x94, 1, n as u16 + 1, 0x10)
}

#[test]
fn two_hundred_phones_of_a_carrier_are_in_at_once() {
    const FIRST: u32 = 1_000;
    go_ahead();
    let site = Site::default();
    let make = Make::OpenAsterisk;
    let Some(_exchange) = Exchange::start_with(make, site.pbx(), FIRST..=FIRST + 2 * PHONES) else { return };
    let guarded = Guarded::start(&site, "");
    let served = |first: u32, address: fn(u32) -> IpAddr, transport| {
        let phones = (0..PHONES).map(|n| (address(n), first + n)).collect();
        let crowd = Crowd { phones, method: "REGISTER", transport, spread: SPREAD, within: TRY };
        site.phones().enter(|| crowd.run(pbx(address(0).is_ipv6())))
    };
    let (natted, mobile) = thread::scope(|scope| {
        let natted = scope.spawn(|| served(FIRST, natted, Transport::Udp));
        let mobile = scope.spawn(|| served(FIRST + PHONES, mobile, Transport::UdpV6));
        (natted.join().expect("phones"), mobile.join().expect("phones"))
    });
    println!(
        "of {PHONES} phones each: behind 64 addresses of a /24 {natted} in, in own /64s of a /48 {mobile} in"
    );
    println!("packets by reason: {:?}", guarded.reasons());
    assert_eq!([natted, mobile], [PHONES as usize; 2]);
}
