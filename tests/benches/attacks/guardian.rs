//! The guardians: the programs that protect a PBX.

use std::{fs, os::unix::fs::symlink, thread, time::Duration};

use sipward_tests::{
    attack::{Site, Subscriber, Transport, pbx, v4_of},
    auth_pbx::{AuthPbx, PbxKind},
    command::Sipward,
    daemon::Daemon,
    scratch::Scratch,
    tool::{Running, tool},
    wire::guides_script,
};

/// In which the daemon believes no evidence, after its start.
const BLIND: Duration = Duration::from_secs(6);
/// Accounts of each PBX.
pub(crate) const FIRST: u32 = 1000;
const LAST: u32 = 3000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guardian {
    Sipward,
    Nothing,
    Script,
    Fail2ban,
    Kamailio,
}

pub(crate) const GUARDIANS: [Guardian; 5] =
    [Guardian::Sipward, Guardian::Fail2ban, Guardian::Kamailio, Guardian::Script, Guardian::Nothing];

/// A guardian in its place.
pub(crate) struct Post {
    pub(crate) guardian: Guardian,
    /// Dropped in this order: the daemon would make the pins of its installation again.
    _installed: Installed,
    sipward: Option<Sipward<'static>>,
    _auth_pbx: AuthPbx,
    _scratch: Scratch,
    pub(crate) site: &'static Site,
}

#[expect(dead_code, reason = "kept for their drops")]
enum Installed {
    Nothing,
    Daemon(Daemon),
    Fail2ban(Running),
}

impl Guardian {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sipward => "sipward",
            Self::Nothing => "nothing",
            Self::Script => "iptables script",
            Self::Fail2ban => "fail2ban",
            Self::Kamailio => "Kamailio, pike",
        }
    }
}

impl Post {
    /// `None`: there is no Asterisk on this machine.
    pub(crate) fn start(guardian: Guardian) -> anyhow::Result<Option<Self>> {
        // Threads of all kinds use it, until the program ends.
        let site: &'static Site = Box::leak(Box::default());
        let make = match guardian {
            Guardian::Kamailio => PbxKind::GuardedAsterisk,
            _ => PbxKind::OpenAsterisk,
        };
        let Some(auth_pbx) = AuthPbx::start_with(make, site.pbx(), FIRST..=LAST) else { return Ok(None) };
        let scratch = Scratch::new(site.pbx());
        let mut sipward = None;
        let installed = match guardian {
            Guardian::Nothing | Guardian::Kamailio => Installed::Nothing,
            Guardian::Script => {
                guides_script(site.pbx())?;
                Installed::Nothing
            }
            Guardian::Fail2ban => Installed::Fail2ban(fail2ban(site, &scratch, &auth_pbx)?),
            Guardian::Sipward => {
                let config = scratch.file("sipward.toml", "interface = 'eth0'\nmode = 'enforce'\n");
                let installation = Sipward::new(site.pbx());
                let daemon = Daemon::start(&installation, &config);
                thread::sleep(BLIND);
                sipward = Some(installation);
                Installed::Daemon(daemon)
            }
        };
        Ok(Some(Self {
            guardian,
            _installed: installed,
            sipward,
            _auth_pbx: auth_pbx,
            _scratch: scratch,
            site,
        }))
    }

    /// Bans an address by hand, as far as the guardian has a list.
    pub(crate) fn ban(&self, address: &str) {
        if let Some(sipward) = &self.sipward {
            sipward.ok(&format!("ban add {address}"));
        }
    }
}

/// Debian's jail for Asterisk.
fn fail2ban(site: &Site, scratch: &Scratch, auth_pbx: &AuthPbx) -> anyhow::Result<Running> {
    symlink("/etc/fail2ban/action.d", scratch.0.join("action.d"))?;
    symlink("/etc/fail2ban/filter.d", scratch.0.join("filter.d"))?;
    let place = |name: &str| scratch.0.join(name).display().to_string();
    let (socket, pid, log) = (place("socket"), place("pid"), place("fail2ban.log"));
    scratch.file(
        "fail2ban.conf",
        &format!(
            "[Definition]\nloglevel = INFO\nlogtarget = {log}\nsyslogsocket = auto\nsocket = {socket}\n\
             pidfile = {pid}\ndbfile = None\ndbpurgeage = 1d\n"
        ),
    );
    scratch.file(
        "jail.conf",
        &format!(
            "[pbx]\nenabled = true\nfilter = asterisk\nlogpath = {}\nbackend = auto\nusedns = no\n\
             maxretry = 10\nfindtime = 600\nbantime = 600\n\
             action = iptables-multiport[name=pbx-tcp, port=\"5060,5061\", protocol=tcp]\n         \
             iptables-multiport[name=pbx-udp, port=\"5060,5061\", protocol=udp]\n",
            auth_pbx.messages().display()
        ),
    );
    let mut server = site.pbx().command(tool("fail2ban-server"));
    let directory = scratch.0.display().to_string();
    server.args(["-f", "-c", &directory, "-s", &socket, "-p", &pid, "start"]);
    let mut running = Running::start(&mut server, &scratch.0.join("out"));
    running.wait_until("fail2ban watches", || {
        fs::read_to_string(&log).is_ok_and(|log| log.contains("Jail 'pbx' started"))
    });
    // It reads the first lines of a log ten or twenty seconds late, so failures are produced until it has seen one.
    let stranger = || Subscriber::new(Transport::Udp, v4_of(92, 250, 7), pbx(false), FIRST);
    let mut stranger = site.attackers().enter(stranger)?;
    stranger.forget_password();
    running.wait_until("fail2ban reads", || {
        let _ = stranger.register(Duration::from_secs(1));
        fs::read_to_string(&log).is_ok_and(|log| log.contains("Found"))
    });
    Ok(running)
}
