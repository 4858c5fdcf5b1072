//! Suspended accounts and flows: the packets that drop, and those beside them that pass.

use std::net::IpAddr;

use sipward_kernel::{Error, SuspensionEntry, SuspensionTarget, TargetKind};
use sipward_tests::{
    filter_pair::FilterPair,
    frame::{Frame, tcp, udp},
    message::{OK_TO_OUR_OPTIONS, clean, request, with_header},
    wait::{much_later, sleep_until, soon},
};
use sipward_types::time::KernelTime;
use sipward_types::{
    account::Account,
    flow::{Flow, Transport},
};
use xdp_prog::abi::{
    MAX_SUSPENSIONS,
    kind::{KNOWN, TRUSTED},
};

use crate::ENFORCE;

const HERE: [&str; 2] = ["198.51.100.7", "2001:db8:7::7"];
const ELSEWHERE: [&str; 2] = ["198.51.100.8", "2001:db8:7::8"];
const SUSPENDED: &str = "suspended";

fn account(source: Option<&str>, name: &str) -> SuspensionTarget {
    let source = source.map(|source| source.parse().unwrap());
    SuspensionTarget::account(source, &Account::new(name.as_bytes()).unwrap())
}

fn flow(source: &str, port: u16, transport: Transport) -> SuspensionTarget {
    SuspensionTarget::flow(source.parse().unwrap(), Flow { port, transport })
}

/// A request of the account 201.
fn of_201(method: &str) -> String {
    clean(method)
}

fn of_202(method: &str) -> String {
    clean(method).replace("sip:201@", "sip:202@")
}

/// From 202, with the credentials of 201.
fn as_201(method: &str, header: &str) -> String {
    let credentials =
        format!("{header}: Digest realm=\"pbx\", username=\"201\", nonce=\"x\", response=\"y\"");
    with_header(method, &credentials).replace("sip:201@", "sip:202@")
}

/// Its credentials are in one header.
fn one_header(request: &str) -> bool {
    request.matches("uthorization:").count() == 1
}

fn judge(pair: &mut FilterPair, frame: Frame, from: &str) -> String {
    pair.judge(&frame.from(from).build())
}

#[test]
fn a_suspended_account_opens_nothing_from_where_it_is_suspended() {
    for (here, elsewhere) in HERE.into_iter().zip(ELSEWHERE) {
        let mut pair = FilterPair::unlimited("mode = \"enforce\"\noptions = \"pass\"\n");
        pair.suspend(account(Some(here), "201"));
        for transport in [udp, tcp] {
            for (payload, expected) in [
                (of_201("REGISTER"), SUSPENDED),
                (of_201("INVITE"), SUSPENDED),
                (of_201("SUBSCRIBE"), SUSPENDED),
                (of_201("MESSAGE"), SUSPENDED),
                (of_201("OPTIONS"), SUSPENDED),
                (of_201("VENDORX"), SUSPENDED),
                (as_201("REGISTER", "Authorization"), SUSPENDED),
                (as_201("INVITE", "Proxy-Authorization"), SUSPENDED),
                // PBXs take the last one of several, or the first header that is for them.
                (
                    as_201("REGISTER", "Authorization").replace("username=", "username=202, username="),
                    SUSPENDED,
                ),
                (
                    as_201("REGISTER", "Authorization").replace("nonce=", "username=\"202\", nonce="),
                    SUSPENDED,
                ),
                (as_201("INVITE", "Authorization: Digest username=202\r\nAuthorization"), SUSPENDED),
                (as_201("INVITE", "X: username=201\r\nX-Authorization"), "request"),
                (of_201("REGISTER").replace("From:", "f:"), SUSPENDED),
                // First of all rules that look into a message.
                (request("REGISTER", "friendly-scanner"), SUSPENDED),
                // Credentials say who it is, whatever the method, and where nobody can say it is anybody.
                (as_201("INFO", "Authorization"), SUSPENDED),
                (as_201("UPDATE", "Authorization").replace(">\r\nFrom", ">;tag=1\r\nFrom"), SUSPENDED),
                (as_201("PRACK", "Proxy-Authorization"), SUSPENDED),
                (as_201("REGISTER", "Authorization").replace("username=", "user%6eame="), SUSPENDED),
                (as_201("REGISTER", "Authorization").replace("\"201\"", "\"2\\01\""), SUSPENDED),
                (
                    as_201(
                        "REGISTER",
                        &format!("{}Authorization", "Authorization: Digest username=202\r\n".repeat(17)),
                    ),
                    SUSPENDED,
                ),
                (with_header("INFO", "Authorization: Digest realm=\"pbx\""), SUSPENDED),
                // Calls that run go on and end.
                (of_201("ACK"), "request"),
                (of_201("BYE"), "request"),
                (of_201("CANCEL"), "request"),
                (OK_TO_OUR_OPTIONS.replace("sip:pbx", "sip:201@pbx"), "response"),
                ("\r\n\r\n".to_owned(), "keepalive"),
                // Its neighbours behind the same address.
                (of_202("REGISTER"), "request"),
                (of_202("INVITE"), "request"),
                (as_201("REGISTER", "X-Authorization"), "request"),
            ] {
                let verdict = judge(&mut pair, transport().carrying(&payload), here);
                assert_eq!(verdict, expected, "{here} {payload}");
                let scan = payload.starts_with("REGISTER") && payload.contains("friendly-scanner");
                let unaware = match expected {
                    SUSPENDED if scan => "signature:friendly-scanner",
                    SUSPENDED if payload.matches("username=").count() == 2 && one_header(&payload) => {
                        "form:names"
                    }
                    SUSPENDED => "request",
                    expected => expected,
                };
                let verdict = judge(&mut pair, transport().carrying(&payload), elsewhere);
                assert_eq!(verdict, unaware, "{elsewhere} {payload}");
            }
        }
        pair.lift(account(Some(here), "201"));
        assert_eq!(judge(&mut pair, udp().carrying(of_201("REGISTER")), here), "request");
        assert_eq!(pair.filter().suspensions().unwrap().entries().count(), 0);
    }
}

#[test]
fn where_the_account_stands_in_the_message_does_not_matter() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let [here, _] = HERE;
    pair.suspend(account(Some(here), "201"));
    let register = of_201("REGISTER");
    let quoted = register.replace("\"Ann O'Neill\"", "\"<sip:202@pbx> \\\" \"");
    let many_headers = "X-Filler: y\r\n".repeat(60);
    let long = format!("Subject: {}\r\n", "s".repeat(1_200));
    for message in [
        register.replace("From: \"Ann O'Neill\" <sip:201@pbx.example.com>", "from:sip:201@pbx.example.com"),
        register.replace("From: \"Ann O'Neill\"", "From:\r\n \"Ann O'Neill\"\r\n\t"),
        register.replace("\r\n", "\n"),
        format!("\r\n\r\n{register}"),
        quoted,
        register.replace("Via:", &format!("{many_headers}Via:")),
        register.replace("Via:", &format!("{long}Via:")),
    ] {
        assert_eq!(judge(&mut pair, udp().carrying(&message), here), SUSPENDED, "{message}");
        assert_eq!(judge(&mut pair, udp().vlan(0x8100).carrying(&message), here), SUSPENDED);
    }
    let cut = register.split_once("From").unwrap().0;
    assert_eq!(judge(&mut pair, udp().carrying(cut), here), "request", "no account to be seen");
    let second = tcp().carrying(of_202("REGISTER") + &register);
    assert_eq!(judge(&mut pair, second, here), SUSPENDED, "all in a segment are looked at");
}

#[test]
fn a_lock_holds_everywhere_and_may_leave_out_known_sources() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let [known, stranger, trusted] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"];
    pair.put(known, KNOWN);
    pair.put(trusted, TRUSTED);
    let verdicts = |pair: &mut FilterPair, payload: String| {
        [known, stranger, trusted].map(|from| judge(pair, udp().carrying(&payload), from))
    };
    for (exempt_known, expected) in [(false, SUSPENDED), (true, "request")] {
        pair.suspend_as(
            account(None, "201"),
            SuspensionEntry { until: KernelTime::FOREVER, exempt_known, unsaved: false },
        );
        assert_eq!(verdicts(&mut pair, of_201("INVITE")), [expected, SUSPENDED, "trusted"]);
        assert_eq!(verdicts(&mut pair, of_202("INVITE")), ["request", "request", "trusted"]);
    }
    pair.lift(account(None, "201"));
    assert_eq!(verdicts(&mut pair, of_201("INVITE")), ["request", "request", "trusted"]);
}

#[test]
fn the_calls_of_a_known_source_go_on_and_nothing_else_does() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let [here, _] = HERE;
    pair.put(here, KNOWN);
    pair.suspend(account(Some(here), "201"));
    let inside = as_201("INFO", "Authorization")
        .replace("<sip:202@pbx.example.com>\r\n", "<sip:202@pbx.example.com>;tag=1\r\n");
    assert!(inside.contains("To: <sip:202@pbx.example.com>;tag=1"));
    assert_eq!(judge(&mut pair, udp().carrying(&inside), here), "request");
    assert_eq!(judge(&mut pair, udp().carrying(as_201("INFO", "Authorization")), here), SUSPENDED);
    let both = tcp().carrying(inside + &as_201("INFO", "Authorization"));
    assert_eq!(judge(&mut pair, both, here), SUSPENDED);
}

#[test]
fn a_flow_is_suspended_with_all_its_accounts_and_its_neighbours_are_not() {
    for here in HERE {
        let mut pair = FilterPair::unlimited(ENFORCE);
        pair.suspend(flow(here, 40_001, Transport::Udp));
        for (frame, expected) in [
            (udp().source_port(40_001).carrying(of_201("REGISTER")), SUSPENDED),
            (udp().source_port(40_001).carrying(of_202("INVITE")), SUSPENDED),
            (udp().source_port(40_001).carrying(of_202("ACK")), "request"),
            (udp().source_port(40_002).carrying(of_201("REGISTER")), "request"),
            (tcp().source_port(40_001).carrying(of_201("REGISTER")), "request"),
        ] {
            assert_eq!(judge(&mut pair, frame, here), expected);
        }
    }
}

#[test]
fn suspensions_end_by_themselves() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let [here, _] = HERE;
    let suspend = |pair: &mut FilterPair, until| {
        let suspension_entry = SuspensionEntry { until, exempt_known: false, unsaved: false };
        pair.suspend_as(account(Some(here), "201"), suspension_entry);
        pair.suspend_as(account(None, "202"), suspension_entry);
    };
    suspend(&mut pair, much_later());
    pair.suspend(account(Some(here), "203"));
    let of_203 = || udp().carrying(of_201("INVITE").replace("sip:201@", "sip:203@"));
    assert_eq!(judge(&mut pair, udp().carrying(of_201("INVITE")), here), SUSPENDED);
    assert_eq!(judge(&mut pair, udp().carrying(of_202("INVITE")), here), SUSPENDED);
    let until = soon();
    suspend(&mut pair, until);
    sleep_until(until);
    assert_eq!(judge(&mut pair, udp().carrying(of_201("INVITE")), here), "request");
    assert_eq!(judge(&mut pair, udp().carrying(of_202("INVITE")), here), "request");
    assert_eq!(judge(&mut pair, of_203(), here), SUSPENDED, "another's end is not its own");
}

#[test]
fn in_monitor_mode_a_suspended_account_is_counted_and_passes() {
    let mut pair = FilterPair::unlimited("mode = \"monitor\"\n");
    let [here, _] = HERE;
    pair.suspend(account(Some(here), "201"));
    // `judge` checks that the packet passes.
    assert_eq!(judge(&mut pair, udp().carrying(of_201("INVITE")), here), SUSPENDED);
}

#[test]
fn what_is_suspended_is_found_again_as_it_was_put() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let mut suspensions = pair.filter().suspensions().unwrap();
    let suspension_entry = |until, exempt_known| SuspensionEntry { until, exempt_known, unsaved: false };
    let mut all = vec![
        (account(Some(HERE[0]), "201"), suspension_entry(KernelTime::from_nanos(1), false)),
        (account(Some(HERE[0]), "202"), suspension_entry(KernelTime::from_nanos(2), false)),
        (account(Some(HERE[1]), "201"), suspension_entry(KernelTime::from_nanos(3), false)),
        (account(None, "201"), suspension_entry(KernelTime::FOREVER, true)),
        (flow(HERE[0], 5060, Transport::Tcp), suspension_entry(KernelTime::from_nanos(5), false)),
    ];
    for (target, suspension_entry) in &all {
        suspensions.put(*target, *suspension_entry).unwrap();
        suspensions.put(*target, *suspension_entry).unwrap();
        assert_eq!(suspensions.get(*target).unwrap(), Some(*suspension_entry));
    }
    let mut found = suspensions.iter().collect::<Result<Vec<_>, _>>().unwrap();
    found.sort_by_key(|(target, _)| *target);
    all.sort_by_key(|(target, _)| *target);
    assert_eq!(found, all);
    // And one that says so for each of the two sources.
    assert_eq!(suspensions.entries().count(), all.len() + 2);
    for (target, _) in &all {
        assert!(suspensions.remove(*target).unwrap());
        assert!(!suspensions.remove(*target).unwrap());
    }
    assert_eq!(suspensions.entries().count(), 0);
    suspensions
        .put(account(Some(HERE[0]), "201"), suspension_entry(KernelTime::from_nanos(1), false))
        .unwrap();
    suspensions.clear().unwrap();
    assert_eq!(suspensions.entries().count(), 0);
}

#[test]
fn when_there_is_no_room_what_is_there_stays() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let mut suspensions = pair.filter().suspensions().unwrap();
    let forever = SuspensionEntry { until: KernelTime::FOREVER, exempt_known: false, unsaved: false };
    for number in 0..MAX_SUSPENSIONS {
        suspensions.put(account(None, &format!("account-{number}")), forever).unwrap();
    }
    let one_more = account(Some(HERE[0]), "201");
    assert!(matches!(suspensions.put(one_more, forever), Err(Error::Full { .. })));
    assert_eq!(suspensions.get(one_more).unwrap(), None);
    assert!(suspensions.remove(account(None, "account-0")).unwrap());
    assert!(suspensions.remove(account(None, "account-1")).unwrap());
    suspensions.put(one_more, forever).unwrap();
    assert_eq!(suspensions.iter().count(), MAX_SUSPENSIONS - 1);
    suspensions.clear().unwrap();
    assert_eq!(suspensions.iter().count(), 0);
}

#[test]
fn a_source_is_made_known_unless_the_lists_say_more() {
    let mut pair = FilterPair::unlimited(ENFORCE);
    let address = |text: &str| text.parse::<IpAddr>().unwrap();
    let [new, trusted, banned] = ["192.0.2.1", "192.0.2.2", "2001:db8::3"].map(address);
    pair.put("192.0.2.2", TRUSTED);
    pair.put("2001:db8::3", xdp_prog::abi::kind::BANNED);
    let mut sources = pair.filter().sources().unwrap();
    assert!(sources.put_known(new, 3, KernelTime::FOREVER).unwrap());
    assert!(sources.put_known(new, 4, KernelTime::FOREVER).unwrap());
    for said in [trusted, banned] {
        let before = sources.get(said).unwrap();
        assert!(!sources.put_known(said, 3, KernelTime::FOREVER).unwrap());
        assert!(!sources.remove_known(said).unwrap());
        assert_eq!(sources.get(said).unwrap(), before);
    }
    let known = sources.iter_known().collect::<Result<Vec<_>, _>>().unwrap();
    assert_eq!(known, [(new, 4, KernelTime::FOREVER)]);
    assert!(sources.remove_known(new).unwrap());
    assert_eq!(sources.iter_known().count(), 0);
}

#[test]
fn who_has_hardly_sent_anything_may_ask_beside_one_who_asks_in_vain() {
    // Each /64 of a mobile carrier is another customer.
    let mut pair = FilterPair::unlimited(ENFORCE);
    let limited =
        SuspensionTarget { source: Some("2001:db8:7::".parse().unwrap()), what: TargetKind::Asking };
    pair.suspend(limited);
    let ask = || udp().carrying(clean("REGISTER"));
    let first: Vec<_> = (0..20).map(|_| judge(&mut pair, ask(), "2001:db8:7:1::1")).collect();
    assert_eq!(first.iter().filter(|reason| *reason == "request").count(), 5 + 1, "{first:?}");
    let others: Vec<_> = (2..80).map(|n| judge(&mut pair, ask(), &format!("2001:db8:7:{n:x}::1"))).collect();
    let passed = others.iter().filter(|reason| *reason == "request").count();
    assert!((55..60).contains(&passed), "a minute's at once: {passed}");
}

#[test]
fn a_line_that_asks_in_vain_may_ask_once_a_minute() {
    // In IPv6, it is the whole /56 and no address beside it.
    for (line, from, other) in
        [(HERE[0], HERE[0], ELSEWHERE[0]), ("2001:db8:7::", "2001:db8:7:8::1", "2001:db8:7:100::1")]
    {
        let mut pair = FilterPair::unlimited(ENFORCE);
        let limited = SuspensionTarget { source: Some(line.parse().unwrap()), what: TargetKind::Asking };
        let ask = |name: &str| udp().carrying(clean("REGISTER").replace("sip:201@", &format!("sip:{name}@")));
        // It has sent enough not to be taken for a neighbour that comes anew.
        for _ in 0..6 {
            judge(&mut pair, udp().carrying("\r\n\r\n"), from);
        }
        pair.suspend(limited);
        assert_eq!(judge(&mut pair, ask("301"), from), "request", "the first in a minute");
        for (name, frame, reason) in [
            ("another", ask("302"), "rate:asking"),
            ("over TCP", tcp().carrying(clean("INVITE")), "rate:asking"),
            ("with credentials", udp().carrying(as_201("REGISTER", "Authorization")), "request"),
            ("in a call", udp().carrying(clean("BYE")), "request"),
        ] {
            assert_eq!(judge(&mut pair, frame, from), reason, "{name}");
        }
        assert_eq!(judge(&mut pair, ask("303"), other), "request", "who is not of that line");
        pair.lift(limited);
        assert_eq!(judge(&mut pair, ask("304"), from), "request", "once that has ended");
        pair.suspend(limited);
        assert_eq!(judge(&mut pair, ask("305"), from), "rate:asking", "the minute is not over");
        pair.put(from, KNOWN);
        assert_eq!(judge(&mut pair, ask("306"), from), "request", "who is known");
    }
}
