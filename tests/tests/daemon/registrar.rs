//! A PBX of a few lines that challenges requests, and phones with the right or a wrong password.

use std::{
    collections::{BTreeMap, HashMap},
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use sipward_tests::{
    command::Sipward,
    message::{self, Request},
    namespace::Namespace,
    wait::wait_until,
};

use crate::site::{PBX, SIP, Site, Wire};

/// The response that the registrar accepts as proof of the password.
const RIGHT: &str = "00112233445566778899aabbccddeeff";

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

/// A phone with one address and port.
#[derive(Debug)]
pub(crate) struct Phone {
    socket: UdpSocket,
    address: String,
}

impl Phone {
    pub(crate) fn new(host: &Namespace, address: &str, pbx: &str) -> Self {
        let socket = host.udp(&format!("{address}:0"));
        socket.connect(format!("{pbx}:{SIP}")).expect("an address of the PBX");
        Self { socket, address: address.to_owned() }
    }

    /// Registers, as the PBX wants it. The last status; `None`: it did not answer.
    pub(crate) fn register(&self, account: &str, knows: bool) -> Option<u16> {
        let (call, tries) = (next(), next());
        let first = self.ask(account, call, 1, "")?;
        let nonce = between(&first, "nonce=\"", "\"").expect("a challenge").to_owned();
        let proof = if knows { RIGHT.to_owned() } else { format!("{tries:032x}") };
        let credentials = format!(
            "Authorization: Digest username=\"{account}\", realm=\"pbx\", nonce=\"{nonce}\", uri=\"sip:pbx\", \
             response=\"{proof}\", algorithm=MD5\r\n"
        );
        message::status(&self.ask(account, call, 2, &credentials)?)
    }

    /// Sends what may not be answered.
    pub(crate) fn knock(&self, account: &str) {
        let message = self.request(account, next(), 1, "");
        self.socket.send(message.as_bytes()).expect("a packet is sent");
    }

    fn ask(&self, account: &str, call: u32, sequence: u32, credentials: &str) -> Option<String> {
        let message = self.request(account, call, sequence, credentials);
        self.socket.send(message.as_bytes()).expect("a packet is sent");
        let mut buffer = [0; 4096];
        let wanted = (format!("call-{call}@"), format!("CSeq: {sequence} "));
        loop {
            let length = self.socket.recv(&mut buffer).ok()?;
            let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if answer.contains(&wanted.0) && answer.contains(&wanted.1) {
                return Some(answer);
            }
        }
    }

    fn request(&self, account: &str, call: u32, sequence: u32, credentials: &str) -> String {
        let address = &self.address;
        let request = Request {
            uri: "sip:pbx",
            sent_by: address,
            branch: &format!("z9hG4bK-{}", next()),
            from: &format!("<sip:{account}@pbx>"),
            tag: &format!("f{call}"),
            to: &format!("<sip:{account}@pbx>"),
            call_id: &format!("call-{call}@{address}"),
            sequence,
            contact: Some(&format!("<sip:{account}@{address}>")),
            headers: &format!("Expires: 600\r\n{credentials}"),
            ..Request::default()
        };
        request.write()
    }
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

/// Another one each time.
fn next() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
