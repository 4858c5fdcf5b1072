//! A phone: baresip with one account.

use std::{
    net::UdpSocket,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::{
    namespace::{Namespace, v4},
    scratch::Scratch,
    tool::{Running, tool},
};

/// Where it takes what would be typed.
const KEYS: &str = "127.0.0.1:5555";
const PATIENCE: Duration = Duration::from_secs(15);
/// It registers anew so often, in seconds.
const INTERVAL: u32 = 4;

#[derive(Debug)]
pub struct Baresip {
    baresip: Running,
    keys: UdpSocket,
    calls: usize,
    _directory: Scratch,
}

impl Baresip {
    /// The host with that number on its LAN.
    pub fn start(host: &Namespace, number: usize, account: u32, password: &str) -> Self {
        let directory = Scratch::new(host);
        let pbx = v4(1);
        directory.file(
            "accounts",
            &format!("<sip:{account}@{pbx}>;auth_pass={password};regint={INTERVAL};answermode=auto\n"),
        );
        directory.file("contacts", "");
        let modules = "/usr/lib/baresip/modules";
        directory.file(
            "config",
            &format!(
                "poll_method epoll\nsip_listen {}:5060\nmodule_path {modules}\nmodule g711.so\nmodule ausine.so\n\
                 module_tmp uuid.so\nmodule_tmp account.so\nmodule_app menu.so\nmodule cons.so\ncons_listen {KEYS}\n\
                 audio_source ausine,440\nausrc_srate 48000\nausrc_channels 2\n",
                v4(number)
            ),
        );
        assert!(Path::new(modules).is_dir(), "baresip's modules are not in {modules}");
        let mut baresip = host.command("stdbuf");
        // A line at a time: what it says is read while it runs.
        baresip.args(["-oL", "-eL"]).arg(tool("baresip")).arg("-4").arg("-f").arg(&directory.0);
        let mut baresip = Running::start(&mut baresip, &directory.0.join("log"));
        let keys = host.udp("127.0.0.1:0");
        keys.connect(KEYS).unwrap_or_else(|error| panic!("{KEYS}: {error}"));
        let log = directory.0.join("log");
        baresip.wait_until("the phone is registered", || {
            std::fs::read(&log).is_ok_and(|log| String::from_utf8_lossy(&log).contains("200 OK"))
        });
        Self { baresip, keys, calls: 0, _directory: directory }
    }

    /// Makes a call that is always taken, and hangs up. Returns the time until it was taken.
    pub fn call(&mut self) -> Duration {
        let begun = Instant::now();
        self.type_line(&format!("/dial sip:600@{}", v4(1)));
        self.calls += 1;
        let calls = self.calls;
        self.wait_for("Call established", calls);
        let took = begun.elapsed();
        self.type_line("/hangup");
        self.wait_for("call: terminate call", calls);
        took
    }

    /// The failures in its output since the registration.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.baresip.log();
        let (_, since) = log.split_once("200 OK").expect("it is registered");
        since
            .lines()
            .filter(|line| line.contains("reg:") && line.contains("sip:"))
            .map(str::to_owned)
            .collect()
    }

    fn type_line(&self, line: &str) {
        self.keys.send(format!("{line}\n").as_bytes()).expect("baresip takes keys");
    }

    fn wait_for(&self, what: &str, times: usize) {
        let end = Instant::now() + PATIENCE;
        while self.baresip.log().matches(what).count() < times {
            assert!(Instant::now() < end, "not {what:?} the {times}. time:\n{}", self.baresip.log());
            thread::sleep(Duration::from_millis(10));
        }
    }
}
