//! Checks of the interfaces: support for XDP, attachment and speed.

mod driver;
mod virtio;

use self::driver::{Channels, Driver};
use super::finding::Finding;
use sipward_kernel::{self as kernel, Error, Pins, XdpChoice, XdpMode};

const VIRTIO: &str = "virtio_net";

pub(super) struct Facts {
    name: String,
    xdp: Xdp,
    up: bool,
    mtu: u32,
    driver: Option<String>,
    /// The interface that this is a VLAN of.
    vlan_of: Option<String>,
    /// It is one of several that a bond makes one of.
    bonded: bool,
    joins_packets: bool,
    channels: Option<Channels>,
    /// Of a virtual machine's card.
    stuck_offloads: Vec<&'static str>,
    cpus: u32,
}

enum Xdp {
    Ours(XdpMode),
    /// Nothing is there; whether the filter is loaded and should be.
    Free {
        loaded: bool,
    },
    /// The filter of a build whose maps have another layout.
    OtherBuild,
    Other {
        id: u32,
        name: String,
        remove: String,
    },
    Missing {
        existing: Vec<String>,
    },
    NoEthernet,
    Unseen,
    Failed(String),
}

/// `loaded`: whether the filter runs, on some interface or on none.
pub(super) fn read(pins: &Pins, name: &str, loaded: bool) -> Facts {
    let asked = Driver::of(name).ok();
    let ask = asked.as_ref();
    let flags = ask.and_then(Driver::flags).unwrap_or(0);
    let driver = ask.and_then(Driver::driver);
    let virtual_card = driver.as_deref() == Some(VIRTIO);
    let stuck_offloads = if virtual_card { virtio::stuck_offloads(name) } else { Vec::new() };
    Facts {
        name: name.to_owned(),
        xdp: xdp(pins, name, loaded),
        up: flags & libc::IFF_UP != 0,
        mtu: ask.and_then(Driver::mtu).unwrap_or(0),
        driver,
        vlan_of: ask.and_then(Driver::vlan_of),
        bonded: flags & libc::IFF_SLAVE != 0,
        joins_packets: ask.is_some_and(Driver::joins_packets),
        channels: ask.and_then(Driver::channels),
        stuck_offloads,
        cpus: cpus(),
    }
}

fn xdp(pins: &Pins, name: &str, loaded: bool) -> Xdp {
    match kernel::check(pins, name, XdpChoice::Auto) {
        Ok(()) => {}
        Err(Error::NoInterface { existing, .. }) => return Xdp::Missing { existing },
        Err(Error::NoEthernet { .. }) => return Xdp::NoEthernet,
        Err(Error::OtherProgram { id, name, remove, .. }) => return Xdp::Other { id, name, remove },
        Err(Error::NotPermitted) => return Xdp::Unseen,
        Err(error) => return Xdp::Failed(error.to_string()),
    }
    if kernel::is_of_another_build(pins, name).unwrap_or(false) {
        return Xdp::OtherBuild;
    }
    let attachments = kernel::attachments(pins).unwrap_or_default();
    let mode = attachments.into_iter().find(|attachment| attachment.interface == name).and_then(|a| a.mode);
    mode.map_or(Xdp::Free { loaded }, Xdp::Ours)
}

fn cpus() -> u32 {
    // SAFETY: no pointers.
    let online = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    u32::try_from(online).unwrap_or(1)
}

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    if let Some(obstacle) = unfit(facts) {
        return vec![obstacle];
    }
    let mut findings = vec![link(facts), protection(facts)];
    findings.extend(queues(facts));
    findings
}

/// A reason why the filter cannot run on the interface at all.
fn unfit(Facts { name, xdp, .. }: &Facts) -> Option<Finding> {
    Some(match xdp {
        Xdp::Ours(_) | Xdp::Free { .. } => return None,
        Xdp::Missing { existing } => Finding::bad(
            name,
            "there is no such interface",
            match existing.as_slice() {
                [] => "there is only the loopback; see `ip link`".to_owned(),
                existing => format!("name one of these in the configuration: {}", existing.join(", ")),
            },
        ),
        Xdp::NoEthernet => Finding::bad(
            name,
            "its frames have no Ethernet header, so the filter cannot read them",
            "name the interface that the tunnel's packets arrive on in the configuration",
        ),
        Xdp::Other { id, name: program, remove } => Finding::bad(
            name,
            format!("runs another XDP program, {program} (id {id}), and takes only one"),
            format!("remove it with `{remove}`"),
        ),
        Xdp::OtherBuild => Finding::bad(
            name,
            "runs the filter of another build of sipward",
            "`systemctl restart sipward` takes over from it, `sipward detach` removes it",
        ),
        Xdp::Unseen => Finding::unseen(name, "which XDP program runs on it"),
        Xdp::Failed(error) => Finding::bad(name, error, "see `ip link` and `bpftool net`"),
    })
}

fn link(Facts { name, up, mtu, driver, bonded, .. }: &Facts) -> Finding {
    let driver = driver.as_deref().unwrap_or("of an unknown driver");
    if !up {
        return Finding::warn(name, "is down", format!("`ip link set dev {name} up`"));
    }
    if *bonded {
        return Finding::warn(
            name,
            "is part of a bond, and packets on the bond's other parts are not filtered",
            "name the bond in the configuration instead; `ip link show type bond` shows it",
        );
    }
    Finding::ok(name, format!("up, {driver}, MTU {mtu}"))
}

fn protection(facts: &Facts) -> Finding {
    let name = &facts.name;
    let check = format!("{name}-xdp");
    let (found, obstacle) = match (&facts.xdp, obstacle(facts)) {
        (Xdp::Ours(XdpMode::Offloaded), _) => {
            return Finding::ok(check, "the filter runs in the network card");
        }
        (Xdp::Ours(XdpMode::Native), _) => {
            return Finding::ok(check, "the filter runs in the driver (native)");
        }
        (Xdp::Free { loaded: true }, _) => {
            return Finding::bad(
                check,
                "is not protected, though the filter is loaded",
                format!("`sipward attach --iface {name}`"),
            );
        }
        (Xdp::Free { .. }, None) => return Finding::ok(check, "the filter can be attached"),
        (Xdp::Free { .. }, Some(obstacle)) => {
            ("the filter would run in the network stack (generic)", obstacle)
        }
        (_, obstacle) => {
            let unknown = || Obstacle {
                why: "its driver does not support XDP, or the configuration asks for it".to_owned(),
                advice: "a card whose driver supports XDP drops several times as many packets a second"
                    .to_owned(),
            };
            ("the filter runs in the network stack (generic)", obstacle.unwrap_or_else(unknown))
        }
    };
    let Obstacle { why, advice } = obstacle;
    Finding::warn(check, format!("{found}, slower than in the driver: {why}"), advice)
}

/// Reasons why a driver would not run the filter itself.
struct Obstacle {
    why: String,
    advice: String,
}

fn obstacle(facts: &Facts) -> Option<Obstacle> {
    /// The room for a packet in a page, beside the headroom of XDP and of the kernel; drivers differ by some bytes.
    const LARGEST_MTU: u32 = 3_400;
    let Facts { name, mtu, driver, vlan_of, joins_packets, stuck_offloads, .. } = facts;
    let again = format!("then `sipward detach --iface {name}` and `sipward attach --iface {name}`");
    let (why, advice) = if let Some(parent) = vlan_of {
        let advice = format!("name {parent} in the configuration instead: the filter reads VLAN tags");
        (format!("it is a VLAN of {parent}"), advice)
    } else if driver.as_deref() == Some("bridge") {
        let advice = format!(
            "name the bridge's ports in the configuration instead: `bridge link` shows those of {name}"
        );
        ("it is a bridge".to_owned(), advice)
    } else if !stuck_offloads.is_empty() {
        let options: Vec<_> = stuck_offloads.iter().map(|name| format!("{name}=off")).collect();
        let advice = format!(
            "on the host of this virtual machine, give QEMU's virtio-net device the options {}; `ethtool \
             -K` in here cannot",
            options.join(",")
        );
        (
            "the host joins packets and leaves out checksums (GRO_HW/CSUM), and does not let the guest stop \
             that"
                .to_owned(),
            advice,
        )
    } else if *joins_packets {
        ("the card joins packets (LRO)".to_owned(), format!("`ethtool -K {name} lro off`, {again}"))
    } else if *mtu > LARGEST_MTU {
        let advice = format!("`ip link set dev {name} mtu 1500`, {again}");
        (format!("with an MTU of {mtu}, a packet with XDP's headroom does not fit into a page"), advice)
    } else {
        return None;
    };
    Some(Obstacle { why, advice })
}

/// Each queue is one CPU that drops; a flood meets all that there are. Hardware comes with enough.
fn queues(Facts { name, driver, channels, cpus, .. }: &Facts) -> Option<Finding> {
    let Channels { used, most } = (*channels)?;
    if driver.as_deref() != Some(VIRTIO) {
        return None;
    }
    let check = format!("{name}-queues");
    let found = format!("{used} for {cpus} CPUs");
    if used >= *cpus {
        return Some(Finding::ok(check, found));
    }
    let found = format!("{found}, so at most {used} of them can drop a flood");
    Some(Finding::warn(
        check,
        found,
        if most > used {
            format!("`ethtool -L {name} combined {}`", most.min(*cpus))
        } else {
            format!("on the host of this virtual machine, give its network card {cpus} queues")
        },
    ))
}

#[cfg(test)]
mod tests;
