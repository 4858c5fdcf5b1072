//! A PBX of a few lines that challenges requests, and phones with the right or a wrong password.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use sipward_tests::{
    command::Sipward,
    guesser::another,
    message,
    namespace::Namespace,
    sip_phone::{self, Edit, Settings, Transport},
    wait::wait_until,
};

use crate::site::{PBX, SIP, Site, Wire};

/// The response that the registrar accepts as proof of the password.
const RIGHT: &str = "00112233445566778899aabbccddeeff";
/// The longest that a phone waits for the registrar, which answers at once.
const PATIENCE: Duration = Duration::from_secs(2);

/// Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Registrar {
    heard: Arc<Mutex<BTreeMap<(String, String), usize>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Registrar {
    pub(crate) fn start(host: &Namespace) -> Self {
        let socket = host.udp(&format!("[::]:{SIP}"));
        let (heard, is_over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (hears, ends) = (Arc::clone(&heard), Arc::clone(&is_over));
        let thread = thread::spawn(move || serve(&socket, &hears, &ends));
        Self { heard, is_over, thread: Some(thread) }
    }

    /// Requests for an account that came from an address.
    pub(crate) fn heard(&self, account: &str, from: &str) -> usize {
        let heard = self.heard.lock().expect("no panic while it is locked");
        heard.get(&(account.to_owned(), from.to_owned())).copied().unwrap_or(0)
    }
}

impl Drop for Registrar {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(socket: &UdpSocket, heard: &Mutex<BTreeMap<(String, String), usize>>, is_over: &AtomicBool) {
    let mut nonces: HashMap<SocketAddr, String> = HashMap::new();
    let mut buffer = [0; 4096];
    let mut count = 0;
    while !is_over.load(Ordering::Relaxed) {
        let (length, from) = match socket.recv_from(&mut buffer) {
            Ok(received) => received,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(error) => panic!("{error}"),
        };
        let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let account = between(&request, "From: <sip:", "@").expect("an account").to_owned();
        let who = (account, from.ip().to_canonical().to_string());
        *heard.lock().expect("no panic while it is locked").entry(who).or_default() += 1;
        count += 1;
        let nonce = between(&request, "nonce=\"", "\"");
        let is_right = nonce.is_some_and(|nonce| nonces.get(&from).is_some_and(|sent| sent == nonce))
            && between(&request, "response=\"", "\"") == Some(RIGHT);
        let answer = if is_right {
            let contact = message::header(&request, "Contact").expect("a contact");
            message::answer(&request, "200 OK", &format!("Contact: {contact};expires=600\r\n"))
        } else {
            let nonce = format!("{count:08}-{}", from.port());
            let asked =
                format!("WWW-Authenticate: Digest realm=\"pbx\", nonce=\"{nonce}\", algorithm=MD5\r\n");
            nonces.insert(from, nonce);
            message::answer(&request, "401 Unauthorized", &asked)
        };
        // The sender may have closed its socket.
        let _ = socket.send_to(answer.as_bytes(), from);
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    Some(text.split_once(before)?.1.split_once(after)?.0)
}

/// A phone with one address and port, for any account. It has mutable state that a test has no use for.
#[derive(Debug)]
pub(crate) struct Phone(RefCell<sip_phone::Phone>);

impl Phone {
    pub(crate) fn new(host: &Namespace, address: &str, pbx: &str) -> Self {
        let at = |address: &str, port| SocketAddr::new(address.parse().expect("an address"), port);
        let mut settings = Settings::new(Transport::Udp, at(pbx, SIP), "", "");
        settings.domain = "pbx".to_owned();
        settings.patience = PATIENCE;
        Self(RefCell::new(sip_phone::Phone::start(host, at(address, 0), settings)))
    }

    /// Registers, as the PBX wants it. The last status; `None`: it did not answer.
    pub(crate) fn register(&self, account: &str, knows: bool) -> Option<u16> {
        let proof = if knows { RIGHT.to_owned() } else { format!("{:032x}", another()) };
        let mut phone = self.0.borrow_mut();
        account.clone_into(&mut phone.settings.account);
        account.clone_into(&mut phone.settings.credentials.username);
        phone.settings.credentials.claims.response = Some(proof);
        phone.request("REGISTER", "sip:pbx", registration(account)).status()
    }

    /// Sends what may not be answered.
    pub(crate) fn knock(&self, account: &str) {
        let mut phone = self.0.borrow_mut();
        account.clone_into(&mut phone.settings.account);
        let id = phone.send("REGISTER", "sip:pbx", registration(account));
        phone.give_up(id);
    }
}

/// Each account registers in a Call-ID of its own.
fn registration(account: &str) -> Edit {
    let to = format!("<sip:{account}@pbx>");
    Edit::new(move |draft| {
        draft.set("To", &to[..]);
        draft.add("Expires", "600");
    })
}

/// Waits until challenges prove an address: the daemon does not know the receivers of those that left before it started.
/// The phone of the site is known then.
pub(crate) fn wait_until_believed(sipward: &Sipward<'_>, site: &Site) {
    let address = Wire::Phone.v4(2);
    let phone = Phone::new(&site.phone, &address, &Wire::Phone.v4(PBX));
    wait_until("a phone that registers is believed", Duration::from_secs(30), || {
        assert_eq!(phone.register("900", true), Some(200));
        sipward.json(&format!("explain {address}"))[0]["standing"] == "known"
    });
}
