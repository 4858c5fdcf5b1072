//! Every row of the packet's path, through the real kernel and through replay: verdict and counter.
//!
//! Needs root and nothing else, so that it also runs in the virtual machines with older kernels.

mod flows;
mod forms;
mod guesses;
mod load;
mod streams;
mod suspensions;
mod taps;

use sipward_types::time::KernelTime;
use std::time::{Duration, Instant};

use sipward_kernel::clock::now;
use sipward_kernel::{Captured, Capturing, Judged};
use sipward_tests::{
    cpu::stay_on_one,
    filter_pair::{FilterPair, lift_limits},
    frame::{ACK, Frame, SYN, tcp, udp},
    message::{OK_TO_OUR_OPTIONS, clean, register_of, request, with_body, with_header},
    skipped::skipped,
    wait::{much_later, sleep_until, soon, wait_until},
};
use xdp_prog::{
    abi::{
        FOREVER, RateLimit, SourceEntry,
        kind::{BANNED, KNOWN, TRUSTED},
    },
    reason::Class,
};

const ENFORCE: &str = "mode = \"enforce\"\n";
/// In ticks: longer than any test takes, on any machine.
const HOUR: u32 = 3_433_227;

/// At most so many packets an hour.
const fn an_hour(packets: u32) -> RateLimit {
    RateLimit { window: HOUR, window_max: packets, ..RateLimit::OFF }
}

/// Judges each frame, all of them for a different stranger, so that no limit carries over.
fn table(pair: &mut FilterPair, rows: &[(&str, Frame, &str)]) {
    let mut wrong = Vec::new();
    for (index, (sentence, frame, expected)) in rows.iter().enumerate() {
        let frame = frame.clone().stranger(index).build();
        let reason = pair.judge(&frame);
        if reason != *expected {
            wrong.push(format!("{sentence}: {reason}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same rows over IPv4 and IPv6.
fn both_families(pair: &mut FilterPair, rows: &[(&str, Frame, &str)]) {
    table(pair, rows);
    let v6: Vec<_> =
        rows.iter().map(|(sentence, frame, reason)| (*sentence, frame.clone().v6(), *reason)).collect();
    table(pair, &v6);
}

#[test]
fn what_is_not_for_a_sip_port_is_never_touched() {
    let mut pair = FilterPair::new(ENFORCE);
    let scan = request("OPTIONS", "friendly-scanner");
    both_families(
        &mut pair,
        &[
            ("RTP", udp().to_port(10_000).carrying([0x80; 172]), "other-port"),
            ("a scanner's message to another port", udp().to_port(5062).carrying(&scan), "other-port"),
            ("DNS", udp().to_port(53).carrying([0; 40]), "other-port"),
            ("ssh", tcp().to_port(22).carrying("SSH-2.0-OpenSSH_9.2"), "other-port"),
            ("UDP to the TLS port", udp().to_port(5061).carrying(&scan), "other-port"),
            (
                "from the SIP port, not to it",
                udp().source_port(5060).to_port(40_000).carrying(&scan),
                "other-port",
            ),
        ],
    );
    let mut arp = udp().build();
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    assert_eq!(pair.judge(&arp), "not-ip");
    let mut icmp = udp().carrying(&scan).build();
    icmp[14 + 9] = 1;
    assert_eq!(pair.judge(&icmp), "other-port");
}

#[test]
fn legitimate_traffic_passes() {
    let mut pair = FilterPair::new(ENFORCE);
    let scanner_in_body = with_body("MESSAGE", "User-Agent: friendly-scanner\r\n\r\nsipvicious");
    let scanner_in_sdp =
        with_body("INVITE", "v=0\r\no=friendly-scanner 1 1 IN IP4 192.0.2.1\r\ns=sipvicious\r\n");
    let named = clean("INVITE").replace("Ann O'Neill", "friendly-scanner sipvicious");
    let without_agent = clean("INVITE").replace("User-Agent: Yealink SIP-T46S 66.86.0.15\r\n", "");
    both_families(
        &mut pair,
        &[
            ("REGISTER", udp().carrying(clean("REGISTER")), "request"),
            ("INVITE", udp().carrying(clean("INVITE")), "request"),
            ("ACK", udp().carrying(clean("ACK")), "request"),
            ("BYE", udp().carrying(clean("BYE")), "request"),
            ("CANCEL", udp().carrying(clean("CANCEL")), "request"),
            ("SUBSCRIBE", udp().carrying(clean("SUBSCRIBE")), "request"),
            ("NOTIFY", udp().carrying(clean("NOTIFY")), "request"),
            ("MESSAGE", udp().carrying(clean("MESSAGE")), "request"),
            ("REFER", udp().carrying(clean("REFER")), "request"),
            ("a method of no standard", udp().carrying(clean("VENDORX")), "request"),
            ("INVITE over TCP", tcp().carrying(clean("INVITE")), "request"),
            ("two CRLFs", udp().carrying("\r\n\r\n"), "keepalive"),
            ("one CRLF", udp().carrying("\r\n"), "keepalive"),
            ("a NUL", udp().carrying([0]), "keepalive"),
            ("four NULs", udp().carrying([0; 4]), "keepalive"),
            ("nothing", udp(), "keepalive"),
            ("two CRLFs over TCP", tcp().carrying("\r\n\r\n"), "keepalive"),
            ("STUN", udp().carrying(stun()), "keepalive"),
            ("the answer to our OPTIONS", udp().carrying(OK_TO_OUR_OPTIONS), "response"),
            ("the same over TCP", tcp().carrying(OK_TO_OUR_OPTIONS), "response"),
            ("Allow: OPTIONS", udp().carrying(with_header("INVITE", "Allow: OPTIONS, INVITE")), "request"),
            ("a scanner's name in a body", udp().carrying(scanner_in_body), "request"),
            ("a scanner's name in SDP", udp().carrying(&scanner_in_sdp), "request"),
            ("the same over TCP", tcp().carrying(&scanner_in_sdp), "request"),
            ("a scanner's name in a display name", udp().carrying(named), "request"),
            (
                "a scanner's name in Subject",
                udp().carrying(with_header("INVITE", "Subject: sipvicious")),
                "request",
            ),
            ("no User-Agent", udp().carrying(without_agent), "request"),
            (
                "a phone system with a traitor in its name",
                udp().carrying(request("INVITE", "3CXPhoneSystem")),
                "request",
            ),
            ("a TCP handshake", tcp().flags(SYN), "tcp-control"),
            ("a TCP acknowledgement", tcp().flags(ACK), "tcp-control"),
            (
                "the middle of a TCP message",
                tcp().carrying("a=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"),
                "stream",
            ),
            ("a TLS handshake", tcp().to_port(5061).flags(SYN), "tcp-control"),
            ("a TLS record", tcp().to_port(5061).carrying([0x17, 3, 3, 0, 40]), "stream"),
        ],
    );
}

fn stun() -> Vec<u8> {
    [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat()
}

#[test]
fn scanners_are_dropped_however_they_dress() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let register = request("REGISTER", "friendly-scanner");
    let scan = |header: &str| udp().carrying(with_header("REGISTER", header));
    let lf_only = register.replace("\r\n", "\n");
    let twice = with_body("INVITE", "v=0\r\n") + &register;
    let behind_response = OK_TO_OUR_OPTIONS.to_owned() + &register;
    const IS: &str = "signature:friendly-scanner";
    both_families(
        &mut pair,
        &[
            ("plain", udp().carrying(&register), IS),
            ("over TCP", tcp().carrying(&register), IS),
            ("in capitals", scan("USER-AGENT: FRIENDLY-SCANNER"), IS),
            ("white space before the colon", scan("User-Agent \t : friendly-scanner"), IS),
            ("no space after the colon", scan("User-Agent:friendly-scanner"), IS),
            ("folded", scan("User-Agent:\r\n friendly-scanner"), IS),
            ("folded with LF and a tab", scan("User-Agent:\n\tfriendly-scanner"), IS),
            ("in the middle of the value", scan("User-Agent: Yealink (friendly-scanner) 1.0"), IS),
            ("lines end with LF", udp().carrying(&lf_only), IS),
            ("lines end with LF, over TCP", tcp().carrying(&lf_only), IS),
            ("behind CRLFs", udp().carrying(format!("\r\n\r\n{register}")), IS),
            ("behind CRLFs, over TCP", tcp().carrying(format!("\r\n\r\n{register}")), IS),
            ("second in a TCP segment, behind a body", tcp().carrying(twice), IS),
            ("behind a response in a TCP segment", tcp().carrying(behind_response), IS),
            ("at the very end", udp().carrying("REGISTER sip:a SIP/2.0\r\nUser-Agent: friendly-scanner"), IS),
            ("sipvicious", scan("User-Agent: sipvicious"), "signature:sipvicious"),
            ("SIPScan", scan("User-Agent: SIPScan"), "signature:sipscan"),
            ("sipcli", scan("User-Agent: sipcli/v1.8"), "signature:sipcli"),
            ("VaxSIPUserAgent", scan("User-Agent: VaxSIPUserAgent/3.1"), "signature:vaxsipuseragent"),
            ("pplsip", scan("User-Agent: pplsip"), "signature:pplsip"),
            ("smap, exactly", scan("User-Agent: smap"), "signature:smap"),
            ("not quite smap", scan("User-Agent: smapper"), "request"),
            ("a near miss", scan("User-Agent: friendly-scanne"), "request"),
        ],
    );
}

#[test]
fn options_of_strangers_drop() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let options = clean("OPTIONS");
    const IS: &str = "options-stranger";
    both_families(
        &mut pair,
        &[
            ("over UDP", udp().carrying(&options), IS),
            ("over TCP", tcp().carrying(&options), IS),
            ("in small letters", udp().carrying(options.replacen("OPTIONS", "options", 1)), IS),
            ("behind CRLFs", udp().carrying(format!("\r\n\r\n\r\n{options}")), IS),
            ("behind blanks", udp().carrying(format!(" \t{options}")), IS),
            ("a tab behind the method", udp().carrying(options.replacen("OPTIONS ", "OPTIONS\t", 1)), IS),
            ("second in a TCP segment", tcp().carrying(clean("REGISTER") + &options), IS),
            ("third, behind CRLFs", tcp().carrying(clean("ACK") + &clean("BYE") + "\r\n\r\n" + &options), IS),
            ("in a body it is innocent", tcp().carrying(with_body("MESSAGE", &options)), "request"),
            ("behind a hundred CRLFs", udp().carrying("\r\n".repeat(100) + &options), IS),
            ("the same over TCP", tcp().carrying("\r\n".repeat(100) + &options), IS),
            ("more blanks than anybody sends", udp().carrying("\r\n".repeat(257) + &options), "malformed"),
            ("in a stream they may be a text", tcp().carrying("\r\n".repeat(257) + &options), "stream"),
            (
                "behind a message and many CRLFs",
                tcp().carrying(clean("ACK") + &"\r\n".repeat(35) + &options),
                "malformed",
            ),
            (
                "behind STUN in a TCP segment",
                tcp().carrying([&stun(), options.as_bytes()].concat()),
                "stream",
            ),
            ("in the SYN of TCP Fast Open", tcp().flags(SYN).carrying(&options), IS),
        ],
    );
}

#[test]
fn settings_change_what_happens_to_methods() {
    let mut pair =
        FilterPair::unlimited("mode = \"enforce\"\noptions = \"pass\"\nunknown_methods = \"drop\"\n");
    both_families(
        &mut pair,
        &[
            ("OPTIONS", udp().carrying(clean("OPTIONS")), "request"),
            ("a method of no standard", udp().carrying(clean("VENDORX")), "method-unknown"),
            ("the same over TCP", tcp().carrying(clean("VENDORX")), "method-unknown"),
            (
                "the same second in a segment",
                tcp().carrying(clean("ACK") + &clean("VENDORX")),
                "method-unknown",
            ),
            ("noise is not a method", udp().carrying([0x81; 40]), "not-sip"),
        ],
    );
}

#[test]
fn headers_below_sip_are_followed() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let options = udp().carrying(clean("OPTIONS"));
    let v6 = || options.clone().v6();
    const IS: &str = "options-stranger";
    both_families(
        &mut pair,
        &[
            ("one VLAN tag", options.clone().vlan(0x8100), IS),
            ("two VLAN tags", options.clone().vlan(0x88a8).vlan(0x8100), IS),
            ("four VLAN tags", (0..4).fold(options.clone(), |frame, _| frame.vlan(0x8100)), IS),
            (
                "five VLAN tags hide what is behind them",
                (0..5).fold(options.clone(), |frame, _| frame.vlan(0x8100)),
                "form:ip-chain",
            ),
        ],
    );
    table(
        &mut pair,
        &[
            ("IPv4 options", options.clone().ip_options(3), IS),
            ("all IPv4 options", options.clone().ip_options(10), IS),
            ("hop-by-hop options", v6().extension(0, 8), IS),
            ("hop-by-hop and destination options", v6().extension(0, 16).extension(60, 24), IS),
            ("a routing header", v6().extension(43, 24), IS),
            ("an authentication header", v6().extension(51, 24), IS),
            ("fifty extension headers", fifty(v6()), IS),
            ("a length of zero behind hop-by-hop options", v6().extension(0, 8).claiming_no_length(), IS),
        ],
    );
}

fn fifty(frame: Frame) -> Frame {
    (0..50).fold(frame, |frame, _| frame.extension(60, 8))
}

#[test]
fn fragments_follow_their_first_one() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let long = |method, agent| {
        with_header(method, &format!("User-Agent: {agent}\r\nX-Filler: {}", "f".repeat(1600)))
    };
    for family in [Frame::v4 as fn(Frame) -> Frame, Frame::v6] {
        let invite = family(udp()).carrying(long("INVITE", "Yealink")).fragments(1, 1400);
        assert_eq!(invite.len(), 2);
        assert_eq!(verdicts(&mut pair, &invite), ["request", "fragment"], "a legitimate long INVITE");
        let scan = family(udp()).carrying(long("INVITE", "friendly-scanner")).fragments(2, 1400);
        assert_eq!(verdicts(&mut pair, &scan), ["signature:friendly-scanner", "fragment-rest"]);
        let other = family(udp()).carrying(long("INVITE", "Yealink")).fragments(3, 1400);
        assert_eq!(verdicts(&mut pair, &other), ["request", "fragment"], "the dropped one has another id");
        let again = family(udp()).carrying(long("INVITE", "Yealink")).fragments(2, 1400);
        assert_eq!(verdicts(&mut pair, &again), ["request", "fragment"], "a real one after a forged one");
        let elsewhere = family(udp()).to_port(10_000).carrying([0; 2000]).fragments(4, 1400);
        assert_eq!(verdicts(&mut pair, &elsewhere), ["other-port", "fragment"]);
        let tiny = family(udp()).carrying(long("INVITE", "friendly-scanner")).fragments(5, 64);
        assert_eq!(
            verdicts(&mut pair, &tiny[..2]),
            ["fragment-tiny", "fragment"],
            "it cannot become a packet"
        );
        let lonely = family(udp()).carrying(long("INVITE", "Yealink")).fragments(6, 1400);
        assert_eq!(verdicts(&mut pair, &lonely[1..]), ["fragment"], "never dropped blindly");
    }
    let cut = tcp().carrying(clean("INVITE")).fragments(7, 8);
    assert_eq!(verdicts(&mut pair, &cut[..2]), ["fragment-tiny", "fragment"], "cut in the TCP header");
    let real = udp().carrying(long("INVITE", "Yealink")).fragments(8, 1400);
    let forged = udp().carrying(long("INVITE", "friendly-scanner")).fragments(8, 64);
    let mixed = [real[0].clone(), forged[0].clone(), real[1].clone()];
    assert_eq!(
        verdicts(&mut pair, &mixed),
        ["request", "fragment-tiny", "fragment"],
        "a forged one in between"
    );
    let atomic = udp().v6().extension(44, 8).carrying(clean("INVITE")).build();
    assert_eq!(pair.judge(&atomic), "request", "an atomic fragment is a whole packet");
}

fn verdicts(pair: &mut FilterPair, frames: &[Vec<u8>]) -> Vec<String> {
    frames.iter().map(|frame| pair.judge(frame)).collect()
}

#[test]
fn lists_come_first_and_trust_beats_bans() {
    let mut pair = FilterPair::new(ENFORCE);
    let clean = clean("REGISTER");
    let scan = request("OPTIONS", "friendly-scanner");
    pair.put("192.0.2.1", BANNED);
    pair.put("192.0.2.2", TRUSTED);
    pair.put("198.18.0.0/16", BANNED);
    pair.put("198.18.7.0/24", TRUSTED);
    pair.put("198.18.9.9", TRUSTED);
    pair.put("192.0.2.3", KNOWN);
    pair.put("198.18.7.7", KNOWN);
    pair.put("198.18.0.7", KNOWN);
    pair.put("2001:db8:1::1", BANNED);
    pair.put("2001:db8:2::/48", TRUSTED);
    pair.put("2001:db8:3::/64", BANNED);
    let from = |address: &str, payload: &str| udp().from(address).carrying(payload).build();
    for (address, payload, expected) in [
        ("192.0.2.1", &clean, "ban"),
        ("192.0.2.0", &clean, "request"),
        ("192.0.2.2", &scan, "trusted"),
        ("192.0.2.3", &scan.replace("friendly-scanner", "Yealink"), "request"),
        // From a port that is not known at its source.
        ("192.0.2.3", &scan, "signature:friendly-scanner"),
        ("198.18.0.1", &clean, "ban-prefix"),
        ("198.18.7.1", &scan, "trusted"),
        ("198.18.9.9", &scan, "trusted"),
        ("198.18.7.7", &scan, "trusted"),
        ("198.18.0.7", &clean, "ban-prefix"),
        ("198.19.0.1", &clean, "request"),
        ("2001:db8:1::1", &clean, "ban"),
        ("2001:db8:1::2", &clean, "request"),
        ("2001:db8:2:ffff::1", &scan, "trusted"),
        ("2001:db8:3::5", &clean, "ban-prefix"),
        ("2001:db8:3:1::5", &clean, "request"),
    ] {
        assert_eq!(pair.judge(&from(address, payload)), expected, "{address}");
        assert_eq!(pair.judge(&udp().from(address).to_port(4000).carrying(payload).build()), "other-port");
    }
}

#[test]
fn entries_end_by_themselves() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let put = |pair: &mut FilterPair, expires| {
        for net in ["192.0.2.1", "2001:db8:9::/48"] {
            pair.put_entry(net, SourceEntry { expires, kind: BANNED, ..SourceEntry::default() });
        }
    };
    put(&mut pair, much_later().as_nanos());
    let frames =
        ["192.0.2.1", "2001:db8:9::1"].map(|from| udp().from(from).carrying(clean("INVITE")).build());
    assert_eq!(verdicts(&mut pair, &frames), ["ban", "ban-prefix"]);
    let expires = soon();
    put(&mut pair, expires.as_nanos());
    sleep_until(expires);
    assert_eq!(verdicts(&mut pair, &frames), ["request", "request"]);
}

#[test]
fn a_ban_in_the_shadow_of_a_trusted_prefix_sleeps() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let entry = |shadowed_until| SourceEntry { expires: FOREVER, shadowed_until, kind: BANNED, budget: 0 };
    pair.put_entry("192.0.2.1", entry(much_later().as_nanos()));
    let frame = udp().from("192.0.2.1").carrying(clean("OPTIONS")).build();
    assert_eq!(pair.judge(&frame), "trusted");
    let shadowed_until = soon();
    pair.put_entry("192.0.2.1", entry(shadowed_until.as_nanos()));
    sleep_until(shadowed_until);
    assert_eq!(pair.judge(&frame), "ban");
}

#[test]
fn lock_down_leaves_only_the_trusted() {
    let mut pair = FilterPair::new("mode = \"enforce\"\ntrusted_only = true\ntrusted = [\"192.0.2.99\"]\n");
    pair.put("192.0.2.2", TRUSTED);
    pair.put("192.0.2.3", KNOWN);
    let judge =
        |pair: &mut FilterPair, from: &str| pair.judge(&udp().from(from).carrying(clean("INVITE")).build());
    assert_eq!(judge(&mut pair, "192.0.2.2"), "trusted");
    assert_eq!(judge(&mut pair, "192.0.2.3"), "trusted-only");
    assert_eq!(judge(&mut pair, "192.0.2.4"), "trusted-only");
    assert_eq!(pair.judge(&tcp().to_port(22).flags(SYN).build()), "other-port", "ssh is never locked out");
}

#[test]
fn monitor_mode_counts_and_passes() {
    let mut pair = FilterPair::new("mode = \"monitor\"\n");
    pair.put("192.0.2.1", BANNED);
    // `judge` checks that the packet passes.
    assert_eq!(pair.judge(&udp().from("192.0.2.1").carrying(clean("INVITE")).build()), "ban");
    assert_eq!(pair.judge(&udp().carrying(clean("OPTIONS")).build()), "options-stranger");
    let counts = pair.filter().counters().unwrap();
    let ban = counts.iter().find(|count| count.reason.name() == "ban").unwrap();
    assert_eq!((ban.enforced.packets, ban.monitored.packets), (0, 1));
}

#[test]
fn each_source_has_its_rate_and_its_neighbour_has_its_own() {
    let mut pair = FilterPair::adjusted(ENFORCE, |policy| {
        lift_limits(policy);
        policy.stranger[Class::Register as usize] = an_hour(10);
        policy.stranger[Class::Invite as usize] = an_hour(3);
        policy.prefix[Class::Register as usize] = an_hour(25);
    });
    let from = |source: &str, method: &str| udp().from(source).carrying(clean(method)).build();
    let mut passed = |source: &str, method: &str, packets: usize| {
        let all: Vec<_> = (0..packets).map(|_| pair.judge(&from(source, method))).collect();
        let over = all.iter().find(|reason| *reason != "request").cloned().unwrap_or_default();
        (all.iter().filter(|reason| *reason == "request").count(), over)
    };
    let rate = || "rate:register".to_owned();
    for (first, second, third) in [
        ("198.51.100.1", "198.51.100.2", "198.51.100.3"),
        ("2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:3::1"),
    ] {
        assert_eq!(passed(first, "REGISTER", 30), (10, rate()));
        assert_eq!(passed(second, "REGISTER", 30), (10, rate()), "a neighbour has its own budget");
        assert_eq!(passed(third, "REGISTER", 30), (5, "prefix-rate:register".to_owned()));
        assert_eq!(passed(first, "INVITE", 5), (3, "rate:invite".to_owned()), "each method has its own");
    }
    assert_eq!(passed("2001:db8:1:1::2", "REGISTER", 3), (0, rate()), "a /64 is one source");
    assert_eq!(passed("198.51.101.1", "REGISTER", 1), (1, String::new()), "another /24 is not touched");
}

#[test]
fn newcomers_have_a_limit_that_who_floods_cannot_spend() {
    let mut pair = FilterPair::adjusted(ENFORCE, |policy| {
        lift_limits(policy);
        policy.newcomer_packets = 8;
        policy.newcomers[Class::Register as usize] = an_hour(24);
        policy.prefix[Class::Register as usize] = an_hour(10);
    });
    for [flood, slow, first, second, elsewhere] in [
        ["198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4", "198.51.101.1"],
        ["2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:3::1", "2001:db8:1:4::1", "2001:db8:2:1::1"],
    ] {
        let mut passed = |source: &str, packets: usize| {
            let frame = udp().from(source).carrying(clean("REGISTER")).build();
            let all: Vec<_> = (0..packets).map(|_| pair.judge(&frame)).collect();
            let over = all.iter().filter(|reason| *reason == "prefix-rate:register").count();
            assert_eq!(all.iter().filter(|reason| *reason == "request").count() + over, packets, "{all:?}");
            packets - over
        };
        assert_eq!(passed(flood, 100), 8 + 10, "as a newcomer, and of what all others may send");
        assert_eq!(passed(slow, 8), 2 + 2, "the first two, and what is left of the first half");
        assert_eq!(passed(first, 100), 2, "the other half is for those who have sent next to nothing");
        assert_eq!(passed(second, 2), 2);
        assert_eq!(passed(elsewhere, 100), 18, "another neighbourhood is not touched");
    }
}

#[test]
fn requests_that_share_a_segment_are_charged_one_by_one() {
    let mut pair = FilterPair::adjusted(ENFORCE, |policy| {
        lift_limits(policy);
        policy.stranger[Class::Register as usize] = an_hour(5);
        policy.stranger[Class::Other as usize] = an_hour(5);
    });
    let unknown = tcp().carrying(clean("ACK") + &clean("VENDORX").repeat(3)).build();
    assert_eq!(pair.judge(&unknown), "request");
    assert_eq!(pair.judge(&unknown), "rate:other");
    let three = tcp().carrying(clean("REGISTER").repeat(3)).build();
    assert_eq!(pair.judge(&three), "request");
    assert_eq!(pair.judge(&three), "rate:register");
}

#[test]
fn a_segment_whose_messages_cannot_be_told_apart_is_refused() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let two_lengths = with_header("MESSAGE", "Content-Length: 900") + &request("OPTIONS", "friendly-scanner");
    assert_eq!(pair.judge(&tcp().carrying(two_lengths).build()), "malformed");
    let many = tcp().carrying("ACK sip:a S\n\n".repeat(150)).build();
    assert_eq!(pair.judge(&many), "malformed");
}

#[test]
fn a_known_source_has_the_budget_of_its_phones() {
    let mut pair = FilterPair::adjusted(ENFORCE, |policy| {
        policy.stranger[Class::Register as usize] = an_hour(2);
        policy.prefix[Class::Register as usize] = an_hour(1);
        policy.known[Class::Register as usize] = an_hour(5);
    });
    let entry = SourceEntry { expires: FOREVER, kind: KNOWN, budget: 4, ..SourceEntry::default() };
    pair.put_entry("198.51.100.1", entry);
    for port in 0..20 {
        let register = udp().from("198.51.100.1").source_port(40_000 + port).carrying(clean("REGISTER"));
        assert_eq!(pair.judge(&register.build()), "request", "phone {port}");
    }
    let register = udp().from("198.51.100.1").carrying(clean("REGISTER")).build();
    assert_eq!(pair.judge(&register), "rate:register");
}

#[test]
fn what_one_limit_refuses_is_charged_to_no_other() {
    let mut pair = FilterPair::adjusted(ENFORCE, |policy| {
        lift_limits(policy);
        policy.stranger[Class::Register as usize] = an_hour(12);
        (policy.flow_window, policy.flows_per_source) = (HOUR, 10);
    });
    let mut register = |port| pair.judge(&udp().source_port(port).carrying(clean("REGISTER")).build());
    let opened: Vec<_> = (40_000..40_010).map(&mut register).collect();
    assert!(opened.iter().all(|reason| reason == "request"), "{opened:?}");
    let refused: Vec<_> = (41_000..41_020).map(&mut register).filter(|reason| reason == "flows").collect();
    assert!(refused.len() >= 18, "some ports share a bit: {}", refused.len());
    assert_eq!(register(40_003), "request", "the twenty that were refused cost nothing");
}

#[test]
fn flows_are_limited_per_source_and_per_prefix() {
    let mut pair = FilterPair::adjusted(ENFORCE, |policy| {
        lift_limits(policy);
        (policy.flow_window, policy.flows_per_source, policy.flows_per_prefix) = (HOUR, 10, 25);
    });
    let mut open = |frame: Frame, host: u8, port: u16| {
        pair.judge(&frame.from(&format!("198.51.100.{host}")).source_port(port).build())
    };
    let mut request = |host, port| open(udp().carrying(clean("REGISTER")), host, port);
    let flows: Vec<_> = (0..12).map(|port| request(1, 40_000 + port)).collect();
    assert!(flows[..10].iter().all(|reason| reason == "request"), "{flows:?}");
    assert_eq!(flows[10..], ["flows", "flows"]);
    assert_eq!(request(1, 40_003), "request", "a flow in use goes on");
    for port in 0..10 {
        assert_eq!(request(2, 41_000 + port), "request", "the neighbour");
    }
    let last: Vec<_> = (0..6).map(|port| request(3, 42_000 + port)).collect();
    assert_eq!(last.iter().filter(|reason| *reason == "request").count(), 5, "{last:?}");
    assert_eq!(last[5], "flows-prefix");
    for (host, port) in (1..=4).flat_map(|host| (50_000..50_050).map(move |port| (host, port))) {
        assert_eq!(
            open(tcp().flags(SYN), host, port),
            "tcp-control",
            "connects are counted by their rate alone"
        );
    }
}

#[test]
fn malformed_headers_have_a_verdict() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let options = udp().carrying(clean("OPTIONS"));
    table(
        &mut pair,
        &[
            ("a UDP length below its header", options.clone().claiming_udp_length(7), "malformed"),
            ("a UDP length of nothing", options.clone().claiming_udp_length(0), "malformed"),
            ("a UDP length beyond the packet", options.clone().claiming_udp_length(u16::MAX), "malformed"),
            ("a UDP length that hides the message", options.clone().claiming_udp_length(8), "keepalive"),
            (
                "to another port it is not ours",
                options.clone().claiming_udp_length(0).to_port(53),
                "other-port",
            ),
        ],
    );
    let broken = |change: fn(&mut Vec<u8>)| {
        let mut frame = udp().carrying(clean("OPTIONS")).build();
        change(&mut frame);
        frame
    };
    for (sentence, frame) in [
        ("IHL 4", broken(|frame| frame[14] = 0x44)),
        ("IHL 0", broken(|frame| frame[14] = 0x40)),
        ("version 5", broken(|frame| frame[14] = 0x55)),
        ("a total length below the header", broken(|frame| (frame[16], frame[17]) = (0, 19))),
        ("a total length beyond the frame", broken(|frame| frame[16] = 0xff)),
        ("an IHL beyond the packet", broken(|frame| (frame[14], frame[16], frame[17]) = (0x4f, 0, 40))),
    ] {
        assert_eq!(pair.judge(&frame), "bad-ip", "{sentence}");
    }
    let mapped = udp().from("[::ffff:192.0.2.1]:5060").carrying(clean("INVITE")).build();
    assert_eq!(pair.judge(&mapped), "bad-ip", "an IPv4 address that sends IPv6");
    let mut segment = tcp().carrying(clean("OPTIONS")).build();
    segment[14 + 20 + 12] = 4 << 4;
    assert_eq!(pair.judge(&segment), "malformed", "a TCP header of sixteen bytes");
    let mut segment = tcp().carrying("x").build();
    segment[14 + 20 + 12] = 15 << 4;
    assert_eq!(pair.judge(&segment), "malformed", "a TCP header beyond the segment");
}

#[test]
fn a_packet_cut_anywhere_has_a_verdict() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let message = request("REGISTER", "friendly-scanner");
    for frame in [
        udp().carrying(&message),
        udp().carrying(&message).v6().extension(0, 8).extension(60, 16),
        udp().carrying(&message).vlan(0x88a8).vlan(0x8100).ip_options(4),
        tcp().carrying(&message),
        tcp().carrying(&message).v6(),
    ] {
        let frame = frame.build();
        // The kernel takes no frame shorter than an Ethernet header for a test run.
        for length in 14..frame.len() {
            pair.judge(&frame[..length]);
        }
    }
}

#[test]
fn an_event_says_what_was_dropped() {
    stay_on_one();
    let mut pair = FilterPair::adjusted(ENFORCE, |policy| {
        lift_limits(policy);
        // With another key two of these sources could share a slot.
        policy.key = 1;
    });
    let frame = udp()
        .from("198.51.100.9")
        .source_port(5071)
        .carrying(request("REGISTER", "friendly-scanner"))
        .build();
    let other = udp().from("198.51.100.10").carrying(clean("REGISTER")).build();
    // At once: a machine may take a second from one to the next.
    pair.filter().test_run(&frame, 2).unwrap();
    pair.filter().test_run(&other, 1).unwrap();
    let events: Vec<_> = pair.filter().events().unwrap().collect();
    let [event] = events.as_slice() else { panic!("one event a second and source: {events:?}") };
    assert_eq!(event.source.to_string(), "198.51.100.9");
    assert_eq!((event.source_port, event.destination_port, event.protocol), (5071, 5060, 17));
    assert_eq!((event.reason.name(), event.enforced, event.unseen), ("signature", true, 0));
    assert_eq!(event.frame_length as usize, frame.len());
    assert_eq!(event.head, frame[..384]);
    let short = udp().from("198.51.100.11").carrying("OPTIONS sip:a SIP/2.0\r\n").build();
    pair.filter().test_run(&short, 1).unwrap();
    let events: Vec<_> = pair.filter().events().unwrap().collect();
    assert_eq!(events[0].head, short, "to the last byte");
}

#[test]
fn the_next_event_counts_the_drops_that_were_not_told() {
    stay_on_one();
    let mut pair = FilterPair::unlimited(ENFORCE);
    let filter = pair.filter();
    let frame = udp().from("198.51.100.9").carrying(clean("OPTIONS")).build();
    filter.test_run(&frame, 1_000).unwrap();
    let mut drops = 1_000;
    let mut events: Vec<_> = filter.events().unwrap().collect();
    wait_until("another event", Duration::from_secs(60), || {
        filter.test_run(&frame, 1).unwrap();
        drops += 1;
        let before = events.len();
        events.extend(filter.events().unwrap());
        events.len() > before
    });
    assert!(events.len() >= 2 && events[0].unseen == 0, "{events:?}");
    let told: u32 = events.iter().map(|event| event.unseen + 1).sum();
    assert_eq!(told, drops, "{events:?}");
}

/// What is captured of these frames, and the verdict on each of all.
fn capture(pair: &mut FilterPair, what: Judged, frames: &[&Vec<u8>]) -> (Vec<Captured>, Vec<String>) {
    let captures = pair.filter().captures().unwrap();
    let capturing = Capturing { what, per_second: 1_000, until: KernelTime::FOREVER };
    pair.filter().set_capturing(Some(capturing)).unwrap();
    assert_eq!(pair.filter().capturing().unwrap(), Some(capturing));
    let verdicts = frames.iter().map(|frame| pair.judge(frame)).collect();
    pair.filter().set_capturing(None).unwrap();
    frames.iter().for_each(|frame| drop(pair.judge(frame)));
    assert_eq!(pair.filter().captures_missed().unwrap(), 0);
    (captures.collect(), verdicts)
}

#[test]
fn a_captured_packet_is_whole_and_says_what_was_done_with_it() {
    let passes = udp().carrying(clean("REGISTER")).build();
    let scan = udp().carrying(request("REGISTER", "friendly-scanner")).build();
    let short = udp().carrying("OPTIONS sip:a SIP/2.0\r\n").build();
    let long = udp().v6().carrying(register_of(1_400)).build();
    let too_long = udp().carrying(b"x\n".repeat(1_500)).build();
    let elsewhere = udp().to_port(10_000).carrying(clean("OPTIONS")).build();
    // Whose first fragment did not come.
    let rest = &udp().carrying(clean("INVITE")).fragments(7, 200)[1];
    let frames = [&passes, &scan, &short, &long, &too_long, &elsewhere, rest];
    for (mode, enforced) in [(ENFORCE, true), ("mode = \"monitor\"\n", false)] {
        for (what, expected) in [(Judged::All, &[0, 1, 2, 3, 4][..]), (Judged::Drops, &[1, 2])] {
            let mut pair = FilterPair::unlimited(mode);
            let before = now();
            let (captured, verdicts) = capture(&mut pair, what, &frames);
            assert_eq!(captured.len(), expected.len(), "{what:?} {mode}: {captured:?}");
            for (captured, &index) in captured.iter().zip(expected) {
                let frame = frames[index];
                assert_eq!(captured.frame, frame[..frame.len().min(2048)]);
                assert_eq!(captured.frame_length as usize, frame.len());
                assert_eq!(captured.enforced, enforced);
                assert!((before..=now()).contains(&captured.at));
                assert!(verdicts[index].starts_with(captured.reason.name()), "{captured:?}");
                assert_eq!(captured.signature.is_some(), index == 1);
            }
        }
    }
}

#[test]
fn a_capture_keeps_to_its_budget_and_ends_by_itself() {
    stay_on_one();
    let mut pair = FilterPair::unlimited(ENFORCE);
    let filter = pair.filter();
    let frame = udp().carrying(clean("OPTIONS")).build();
    let mut captures = filter.captures().unwrap();
    let mut capturing = Capturing { what: Judged::Drops, per_second: 5, until: KernelTime::FOREVER };
    filter.set_capturing(Some(capturing)).unwrap();
    let begun = Instant::now();
    filter.test_run(&frame, 100).unwrap();
    // Seconds that may have begun meanwhile, with the first.
    let seconds = begun.elapsed().as_secs() + 2;
    let captured = captures.by_ref().count() as u64;
    assert!((5..=5 * seconds).contains(&captured), "{captured}");
    assert_eq!(filter.captures_missed().unwrap(), 100 - captured);

    // A reader that does not read: what does not fit is missed, and nothing else changes.
    capturing.per_second = 100_000;
    filter.set_capturing(Some(capturing)).unwrap();
    let before = filter.captures_missed().unwrap();
    let (action, _) = filter.test_run(&frame, 50_000).unwrap();
    assert_eq!(action, 1, "it drops as ever");
    let missed = filter.captures_missed().unwrap() - before;
    assert_eq!(captures.by_ref().count() as u64 + missed, 50_000);
    assert!(missed > 40_000, "{missed}");

    capturing.until = now() - Duration::from_nanos(1);
    filter.set_capturing(Some(capturing)).unwrap();
    assert_eq!(filter.capturing().unwrap(), None);
    filter.test_run(&frame, 100).unwrap();
    assert_eq!(captures.next(), None);
    assert_eq!(filter.captures_missed().unwrap() - before, missed);
}

/// The messages that RFC 4475 calls valid. They are the IETF's and not in this repository: the variable names
/// the directory that has them, one file a message.
#[test]
fn the_valid_torture_messages_pass() {
    let Some(directory) = std::env::var_os("SIPWARD_RFC4475") else {
        skipped("SIPWARD_RFC4475 does not name a directory with the messages of RFC 4475");
        return;
    };
    let mut pair = FilterPair::unlimited(ENFORCE);
    for name in [
        "wsinv",
        "intmeth",
        "esc01",
        "escnull",
        "esc02",
        "lwsdisp",
        "longreq",
        "dblreq",
        "semiuri",
        "transports",
        "mpart01",
        "unreason",
        "noreason",
    ] {
        let path = std::path::Path::new(&directory).join(format!("{name}.dat"));
        let message = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // One of them is longer than a frame.
        let datagrams = [udp(), udp().v6()].map(|frame| frame.carrying(&message).fragments(1, 1400));
        let segments =
            message.chunks(1400).flat_map(|part| [tcp().carrying(part), tcp().v6().carrying(part)]);
        for frame in datagrams.into_iter().flatten().chain(segments.map(|segment| segment.build())) {
            let reason = pair.judge(&frame);
            let innocent = ["request", "response", "fragment", "stream"].contains(&reason.as_str());
            // OPTIONS is a stranger's however valid.
            let options = reason == "options-stranger" && message.starts_with(b"OPTIONS");
            // It has a NUL in a display name.
            let nul = reason == "form:nul" && name == "intmeth";
            assert!(innocent || options || nul, "{name}: {reason}");
        }
    }
}
