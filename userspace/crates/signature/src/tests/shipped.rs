//! The signatures that come with sipward.

use super::{
    super::{Judge, Risk, SignatureSet},
    Both,
};

/// Names of the shipped signatures that are on and that the message carries, judged in the kernel or not.
fn carried(set: &SignatureSet, message: &[u8]) -> Vec<String> {
    let on = set.iter().filter(|signature| signature.on && signature.matches(message));
    on.map(|signature| signature.name.clone()).collect()
}

/// A request with these lines in it.
fn request(lines: &str) -> String {
    let lines = lines.replace('\n', "\r\n");
    format!(
        "INVITE sip:200@198.51.100.1 SIP/2.0\r\nMax-Forwards: 70\r\n{lines}\r\nContent-Length: 0\r\n\r\nv=0\r\n"
    )
}

#[test]
fn every_one_says_where_it_is_from() {
    for signature in SignatureSet::shipped().iter() {
        assert!(signature.note.len() > 40, "{}", signature.name);
    }
}

#[test]
fn the_risky_ones_are_off() {
    for signature in SignatureSet::shipped().iter() {
        assert_eq!(signature.on, signature.risk != Risk::High, "{}", signature.name);
    }
}

#[test]
fn all_of_them_fit_together() {
    let mut set = SignatureSet::shipped();
    set.signatures.iter_mut().for_each(|signature| signature.on = true);
    let kernel = set.iter().filter(|signature| signature.judge == Judge::Kernel).count();
    assert_eq!(set.compile().unwrap().names.len(), kernel);
}

#[test]
fn scanners_are_known_and_their_innocent_neighbours_pass() {
    let set = SignatureSet::shipped();
    let both = Both::of(&set);
    for (lines, expected) in [
        ("User-Agent: friendly-scanner", "friendly-scanner"),
        ("user-agent  :\n\tFRIENDLY-SCANNER", "friendly-scanner"),
        ("User-Agent: friendly-request", "friendly-request"),
        ("User-Agent: my sipvicious 0.3", "sipvicious"),
        ("User-Agent: sipcli/v1.8", "sipcli"),
        ("User-Agent: sipcli", "sipcli"),
        ("User-Agent: sipcli 1.8", "sipcli"),
        ("User-Agent: SIPClient 2.0", ""),
        ("User-Agent: SIPClick2Dial 3.1", ""),
        ("User-Agent: SipCli-Phone 2", ""),
        ("User-Agent: sipclix", ""),
        ("User-Agent: My sipcli", ""),
        ("User-Agent: pplsip", "pplsip"),
        ("User-Agent: sipptk", "sipptk"),
        ("User-Agent: sundayddr", "sundayddr"),
        ("User-Agent: sip-scan", "sip-scan"),
        ("User-Agent: sip-scan/0.1", "sip-scan"),
        ("User-Agent: Acrobits sip-scanner QR login", ""),
        ("User-Agent: sip-scanner", ""),
        ("User-Agent: SIPScan 1.0", "sipscan"),
        ("User-Agent: Panasonic_KX-sipscan", ""),
        ("User-Agent: iWar", "iwar"),
        ("User-Agent: iWar/0.08", "iwar"),
        ("User-Agent: iWarehouse phone", ""),
        ("User-Agent: SIVuS-scanner", "sivus"),
        ("User-Agent: siparmyknife", "siparmyknife"),
        ("User-Agent: smap", "smap"),
        ("User-Agent: smap 0.6.0", ""),
        ("User-Agent: Visamap", ""),
        ("User-Agent: Nmap NSE", "nmap"),
        ("User-Agent: Nsauditor 3.2", "nsauditor"),
        ("User-Agent: Gulp", "gulp"),
        ("User-Agent: Gulper Phone", ""),
        ("User-Agent: VaxSIPUserAgent/3.1", "vaxsipuseragent"),
        ("User-Agent: PortSIP VoIP SDK 11.2", ""),
        ("User-Agent: sipsak 0.9.8.1", ""),
        ("User-Agent: 3CXPhoneSystem 18.0.9.20 (9)", ""),
        ("User-Agent: Cisco-SIPGateway/IOS-15.x", ""),
        ("User-Agent: Linksys/SPA942-6.1.5(a)", ""),
        ("User-Agent: FPBX-16.0.40.7(18.20.0)", ""),
        ("Server: friendly-scanner", ""),
        ("Subject: User-Agent: friendly-scanner", ""),
        ("From: \"friendly-scanner\" <sip:1@198.51.100.1>;tag=1", ""),
        ("From: \"sipvicious\" <sip:1@198.51.100.1>;tag=1", ""),
        ("From: \"O'Neil\" <sip:1@198.51.100.1>;tag=1", ""),
        ("From: \"sipvicious\"<sip:100@1.1.1.1>;tag=1", "sipvicious-address"),
        ("t:\"renamed\"\n <sip:100@1.1.1.1>", "sipvicious-address"),
        ("From: \"x\"<sip:100@1.1.1.10>;tag=1", ""),
        ("From: <sip:1@198.51.100.1>;tag=3206210844", "svcrack-tag"),
        ("From: <sip:1@198.51.100.1>;tag=32062108441", ""),
        ("To: <sip:1@198.51.100.1>;tag=3206210844", ""),
        ("Call-ID: e5f4a1b2c3d4e4f7a", "e5f4a"),
        ("Call-ID: 1e5f4a1b2c3d4e4f7a", ""),
        ("Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds", "rfc-example-caller"),
        ("i: a84b4c76e66710@pc33.atlanta.com", "rfc-example-caller"),
        ("v: SIP/2.0/UDP bigbox3.site3.atlanta.com;branch=z9hG4bK77", "rfc-example-proxy"),
        ("X-Note: pc33.atlanta.com", ""),
        ("Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK7;maddr=203.0.113.9", "via-maddr"),
        ("v: SIP/2.0/UDP 192.0.2.7; MADDR = 203.0.113.9;branch=z9hG4bK7", "via-maddr"),
        ("Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK7;maddr\t\n =\n 203.0.113.9", "via-maddr"),
        ("Via  :\n SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK7\n ;mAdDr=203.0.113.9", "via-maddr"),
        ("Via: SIP/2.0/UDP 192.0.2.7;m%61ddr=203.0.113.9;branch=z9hG4bK7", "via-maddr"),
        ("Via: SIP/2.0/UDP 192.0.2.7;%6D%41d%64%72=203.0.113.9;branch=z9hG4bK7", "via-maddr"),
        ("Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK7 ,SIP/2.0/UDP 192.0.2.8;maddr=203.0.113.9", "via-maddr"),
        ("Via: SIP/2.0/UDP 192.0.2.7;x=\"\\\";\";maddr=203.0.113.9;y=\"\"", "via-maddr"),
        ("Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK7\nv: SIP/2.0/UDP a;maddr=203.0.113.9", "via-maddr"),
        ("Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKmaddr;rport", ""),
        ("Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK7;%6Daddress", ""),
        ("Route: <sip:192.0.2.7;maddr=203.0.113.9>", ""),
        ("Contact: <sip:100@192.0.2.7;maddr=203.0.113.9>", ""),
        ("\no=root 16264 18299 IN IP4 192.168.1.83", "dialler-origin"),
        ("o=root 16264 18299 IN IP4 192.168.1.83", ""),
        ("\nm=audio 25282 RTP/AVP 0 8", ""),
        ("\nUser-Agent: friendly-scanner", ""),
        ("From: <sip:1@a>;tag=3139322e302e322e3101333231", "sipvicious-tag"),
        ("From: <sip:1@a>;tag=as77d0be31", ""),
    ] {
        let message = request(lines);
        assert_eq!(carried(&set, message.as_bytes()).concat(), expected, "{lines}");
        both.agrees(message.as_bytes()).unwrap();
    }
}

#[test]
fn the_longest_branch_of_sippts_is_seen_by_the_daemon() {
    let set = SignatureSet::shipped();
    let via = |length: usize| {
        request(&format!("v: SIP/2.0/UDP 192.0.2.1;branch={}", "k7".repeat(40)[..length].to_owned()))
    };
    assert_eq!(carried(&set, via(71).as_bytes()), ["sippts-branch"]);
    assert_eq!(carried(&set, via(70).as_bytes()), [""; 0]);
}

#[test]
fn ordinary_and_unusual_valid_messages_pass() {
    let set = SignatureSet::shipped();
    let both = Both::of(&set);
    for message in super::super::sample::Sample::messages() {
        assert_eq!(carried(&set, message.as_bytes()), [""; 0], "{message}");
        assert_eq!(both.judge(message.as_bytes()), None, "{message}");
    }
    for (name, message) in sipward_testkit::torture::valid_messages() {
        assert_eq!(carried(&set, &message), [""; 0], "{name}");
        assert_eq!(both.judge(&message), None, "{name}");
    }
}
