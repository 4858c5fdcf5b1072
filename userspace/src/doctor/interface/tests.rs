use super::{
    super::finding::{State, tests::says},
    *,
};

/// As it should be: attached in the driver of a card with nothing special.
fn facts() -> Facts {
    Facts {
        name: "eth0".to_owned(),
        xdp: Xdp::Ours(XdpMode::Native),
        up: true,
        mtu: 1_500,
        driver: Some("igb".to_owned()),
        vlan_of: None,
        bonded: false,
        joins_packets: false,
        channels: None,
        stuck_offloads: Vec::new(),
        cpus: 4,
    }
}

fn states(facts: &Facts) -> Vec<State> {
    check(facts).iter().map(|finding| finding.state).collect()
}

#[test]
fn an_interface_as_it_should_be_is_ok() {
    let findings = check(&facts());
    says(&findings[0], State::Ok, &["eth0: up, igb, MTU 1500"]);
    says(&findings[1], State::Ok, &["eth0-xdp: the filter runs in the driver (native)"]);
    assert_eq!(findings.len(), 2);
}

#[test]
fn what_keeps_the_filter_off_is_all_that_is_said() {
    for (xdp, state, said) in [
        (
            Xdp::Missing { existing: vec!["ens3".to_owned(), "ens4".to_owned()] },
            State::Bad,
            &["no such interface", "ens3, ens4"][..],
        ),
        (Xdp::Missing { existing: Vec::new() }, State::Bad, &["only the loopback"]),
        (Xdp::NoEthernet, State::Bad, &["no Ethernet header", "arrive on"]),
        (
            Xdp::Other { id: 7, name: "guard".to_owned(), remove: "bpftool link detach id 3".to_owned() },
            State::Bad,
            &["another XDP program, guard (id 7)", "`bpftool link detach id 3`"],
        ),
        (Xdp::OtherBuild, State::Bad, &["another build of sipward", "`sipward detach`"]),
        (Xdp::Unseen, State::Warn, &["this user may not see which XDP program runs on it"]),
        (Xdp::Failed("netlink is silent".to_owned()), State::Bad, &["netlink is silent"]),
    ] {
        let findings = check(&Facts { xdp, up: false, ..facts() });
        assert_eq!(findings.len(), 1, "{findings:?}");
        says(&findings[0], state, said);
    }
}

#[test]
fn an_interface_that_is_down_or_bonded_is_told() {
    says(&link(&Facts { up: false, ..facts() }), State::Warn, &["is down", "`ip link set dev eth0 up`"]);
    says(&link(&Facts { bonded: true, ..facts() }), State::Warn, &["part of a bond", "name the bond"]);
    says(&link(&Facts { driver: None, ..facts() }), State::Ok, &["up, of an unknown driver, MTU 1500"]);
}

#[test]
fn an_interface_without_the_loaded_filter_is_bad() {
    let without = |loaded| protection(&Facts { xdp: Xdp::Free { loaded }, ..facts() });
    says(&without(true), State::Bad, &["not protected", "`sipward attach --iface eth0`"]);
    says(&without(false), State::Ok, &["the filter can be attached"]);
    let offloaded = Facts { xdp: Xdp::Ours(XdpMode::Offloaded), ..facts() };
    says(&protection(&offloaded), State::Ok, &["in the network card"]);
}

#[test]
fn the_reason_for_generic_mode_is_found() {
    type Change = fn(&mut Facts);
    let cases: [(Change, &[&str]); 6] = [
        (
            |facts| facts.vlan_of = Some("bond0".to_owned()),
            &["a VLAN of bond0", "name bond0 in the configuration"],
        ),
        (|facts| facts.driver = Some("bridge".to_owned()), &["it is a bridge", "bridge link"]),
        (
            |facts| facts.stuck_offloads = vec!["guest_csum", "guest_tso4"],
            &["GRO_HW/CSUM", "guest_csum=off,guest_tso4=off"],
        ),
        (
            |facts| facts.joins_packets = true,
            &["LRO", "`ethtool -K eth0 lro off`", "`sipward attach --iface eth0`"],
        ),
        (|facts| facts.mtu = 9_000, &["MTU of 9000", "`ip link set dev eth0 mtu 1500`"]),
        (|_| (), &["its driver does not support XDP"]),
    ];
    for (change, said) in cases {
        let mut facts = Facts { xdp: Xdp::Ours(XdpMode::Generic), ..facts() };
        change(&mut facts);
        let finding = protection(&facts);
        says(&finding, State::Warn, said);
        says(&finding, State::Warn, &["the filter runs in the network stack (generic)"]);
        // Before it is attached, the same is foretold, but for what only the attempt shows.
        facts.xdp = Xdp::Free { loaded: false };
        let finding = protection(&facts);
        if obstacle(&facts).is_some() {
            says(&finding, State::Warn, said);
            says(&finding, State::Warn, &["would run in the network stack (generic)"]);
        } else {
            says(&finding, State::Ok, &[]);
        }
        // A filter that runs in the driver needs no advice.
        facts.xdp = Xdp::Ours(XdpMode::Native);
        says(&protection(&facts), State::Ok, &[]);
    }
}

#[test]
fn a_virtual_card_needs_a_queue_for_each_cpu() {
    let with = |driver: &str, used, most| {
        queues(&Facts { driver: Some(driver.to_owned()), channels: Some(Channels { used, most }), ..facts() })
    };
    says(&with("virtio_net", 4, 4).unwrap(), State::Ok, &["eth0-queues: 4 for 4 CPUs"]);
    says(&with("virtio_net", 1, 8).unwrap(), State::Warn, &["1 for 4 CPUs", "`ethtool -L eth0 combined 4`"]);
    says(&with("virtio_net", 1, 2).unwrap(), State::Warn, &["`ethtool -L eth0 combined 2`"]);
    says(&with("virtio_net", 1, 1).unwrap(), State::Warn, &["on the host", "4 queues"]);
    assert_eq!(with("igb", 1, 8), None);
    assert_eq!(queues(&Facts { driver: Some("virtio_net".to_owned()), ..facts() }), None);
}

#[test]
fn the_loopback_can_be_read() {
    let facts = read(&Pins::at("/sys/fs/bpf/sipward-nowhere"), "lo", false);
    assert!(facts.up && facts.mtu >= 1_500 && facts.cpus > 0);
    assert_eq!(states(&facts)[0], State::Ok);
    let facts = read(&Pins::at("/sys/fs/bpf/sipward-nowhere"), "nowhere0", false);
    assert_eq!(states(&facts), [State::Bad]);
}
