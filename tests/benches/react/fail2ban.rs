//! fail2ban before a PBX, as Debian ships it.

use std::{fs, os::unix::fs::symlink};

use sipward_tests::tool::{Running, tool};

use crate::Site;

pub(crate) fn start(site: &Site) -> anyhow::Result<Running> {
    let Site { lan, scratch, auth_pbx } = site;
    let [pbx, ..] = lan.hosts::<3>();
    symlink("/etc/fail2ban/action.d", scratch.0.join("action.d"))?;
    let filters = scratch.0.join("filter.d");
    fs::create_dir(&filters)?;
    for file in ["asterisk.conf", "common.conf"] {
        symlink(format!("/etc/fail2ban/filter.d/{file}"), filters.join(file))?;
    }
    // Debian's fail2ban has no filter for Kamailio. This one is from Kamailio's guide to SIP security.
    fs::write(filters.join("kamailio.conf"), "[Definition]\nfailregex = Blocking traffic from <HOST>\n")?;
    let place = |name: &str| scratch.0.join(name).display().to_string();
    let (socket, pid, log) = (place("socket"), place("pid"), place("fail2ban.log"));
    scratch.file(
        "fail2ban.conf",
        &format!(
            "[Definition]\nloglevel = INFO\nlogtarget = {log}\nsyslogsocket = auto\nsocket = {socket}\n\
             pidfile = {pid}\ndbfile = None\ndbpurgeage = 1d\n"
        ),
    );
    let filter = if auth_pbx.make().is_kamailio() { "kamailio" } else { "asterisk" };
    scratch.file(
        "jail.conf",
        &format!(
            "[pbx]\nenabled = true\nfilter = {filter}\nlogpath = {}\nbackend = auto\nusedns = no\n\
             maxretry = 5\nfindtime = 600\nbantime = 3600\n\
             action = iptables[name=pbx, type=multiport, port=5060, protocol=udp]\n",
            auth_pbx.messages().display()
        ),
    );
    let mut server = pbx.command(tool("fail2ban-server"));
    let directory = scratch.0.display().to_string();
    server.args(["-f", "-c", &directory, "-s", &socket, "-p", &pid, "start"]);
    let mut running = Running::start(&mut server, &scratch.0.join("out"));
    running.wait_until("fail2ban watches", || {
        fs::read_to_string(&log).is_ok_and(|log| log.contains("Jail 'pbx' started"))
    });
    Ok(running)
}
