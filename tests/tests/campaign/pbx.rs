//! The PBX: its challenges, and the names that it reports to have read in a request.

use std::{
    collections::HashMap,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::PathBuf,
    sync::Arc,
    thread,
    time::Duration,
};

use sipward_tests::{
    auth_pbx::{AuthPbx, PbxKind},
    namespace::Namespace,
};

use crate::{
    draft::{Draft, Plan},
    wire::{Exchanged, Wire, Written, header},
};

/// It asks for the first challenge, and is in no other request.
const ASKER: &str = "239";
/// Looks, 10 ms apart, at a log that does not grow: what is not written by then is not.
const LOG_QUIET: u32 = 15;

/// A request without credentials and the challenge that it got.
#[derive(Debug)]
pub(crate) struct Challenge {
    pub(crate) request: Vec<u8>,
    pub(crate) answer: Vec<u8>,
    pub(crate) realm: String,
    pub(crate) nonce: String,
}

pub(crate) struct Pbx {
    pub(crate) make: PbxKind,
    /// Kept for its drop.
    _auth_pbx: AuthPbx,
    log: Log,
}

/// Without credentials, in a datagram.
#[derive(Clone, Debug)]
struct Plain(u64);

impl Written for Plain {
    fn id(&self) -> u64 {
        self.0
    }

    fn is_stream(&self) -> bool {
        false
    }

    fn write(&self, port: u16) -> Vec<Vec<u8>> {
        let Self(id) = *self;
        let plan = Plan { method: "REGISTER", account: ASKER, id, port, transport: "UDP", answers: None };
        vec![Draft::new(&plan).write()]
    }
}

impl Pbx {
    /// `None` where this PBX is not installed. The test then counts as skipped.
    pub(crate) fn start(make: PbxKind, host: &Namespace) -> Option<Self> {
        let auth_pbx = AuthPbx::start(make, host)?;
        let log = Log { path: auth_pbx.messages(), at: 0, rest: String::new(), names: HashMap::new() };
        Some(Self { make, log, _auth_pbx: auth_pbx })
    }

    /// The header that its challenges are answered in.
    pub(crate) fn credentials_header(&self, method: &str) -> &'static str {
        match self.make {
            PbxKind::Asterisk => "Authorization",
            _ if method == "REGISTER" => "Authorization",
            _ => "Proxy-Authorization",
        }
    }

    pub(crate) fn challenge(&self, wire: &Wire, id: u64) -> Arc<Challenge> {
        let [exchanged] = &wire.exchange(&[Plain(id)])[..] else { panic!("one request, one answer") };
        let answer = exchanged.answer.clone().expect("a PBX that challenges");
        let text = String::from_utf8_lossy(&answer);
        let value = header(&text, "WWW-Authenticate").expect("a challenge");
        let quoted = |name: &str| {
            let (_, rest) = value.split_once(&format!("{name}=\"")).expect("a parameter of the challenge");
            rest.split('"').next().expect("a value").to_owned()
        };
        let (realm, nonce) = (quoted("realm"), quoted("nonce"));
        Arc::new(Challenge { request: exchanged.request.clone(), answer, realm, nonce })
    }

    /// The names that it read in each answered request, whether or not they were of use to it.
    pub(crate) fn names(&mut self, exchanged: &[(u64, Exchanged)]) -> Vec<Vec<String>> {
        match self.make {
            PbxKind::Asterisk => self.log.names(exchanged),
            _ => exchanged.iter().map(|(_, exchanged)| in_answer(exchanged)).collect(),
        }
    }
}

/// Kamailio writes them into its answers: From, To, and the credentials. Without credentials, only From names an account.
fn in_answer(exchanged: &Exchanged) -> Vec<String> {
    let Some(answer) = &exchanged.answer else { return Vec::new() };
    let text = String::from_utf8_lossy(answer);
    let read = header(&text, "X-Read").unwrap_or_default();
    let name = |word: &str| {
        let (header, hex) = word.split_at_checked(1)?;
        text_of(hex).filter(|name| header == "f" || !name.is_empty())
    };
    read.split_whitespace().filter_map(name).collect()
}

fn text_of(hex: &str) -> Option<String> {
    let byte = |at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
    Some(String::from_utf8_lossy(&bytes?).into_owned())
}

/// Asterisk's log of security events has the account that it has read in each request.
struct Log {
    path: PathBuf,
    at: u64,
    /// The beginning of a line that is still being written.
    rest: String,
    names: HashMap<u64, Vec<String>>,
}

impl Log {
    fn names(&mut self, exchanged: &[(u64, Exchanged)]) -> Vec<Vec<String>> {
        self.names.clear();
        let mut quiet = 0;
        while quiet < LOG_QUIET {
            let before = self.at;
            self.read();
            let is_refused = |it: &Exchanged| matches!(it.status(), Some(401 | 403));
            if exchanged.iter().all(|(id, it)| !is_refused(it) || self.names.contains_key(id)) {
                break;
            }
            quiet = if self.at == before { quiet + 1 } else { 0 };
            thread::sleep(Duration::from_millis(10));
        }
        exchanged.iter().map(|(id, _)| self.names.remove(id).unwrap_or_default()).collect()
    }

    fn read(&mut self) {
        let Ok(mut file) = File::open(&self.path) else { return };
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(self.at)).expect("a place in a file");
        file.read_to_end(&mut bytes).expect("a file that can be read");
        self.at += bytes.len() as u64;
        let text = std::mem::take(&mut self.rest) + &String::from_utf8_lossy(&bytes);
        let (lines, rest) = text.rsplit_once('\n').unwrap_or(("", &text));
        self.rest = rest.to_owned();
        for line in lines.lines() {
            let id = between(line, "SessionID=\"c", "x@").and_then(|id| id.parse().ok());
            if let (Some(id), Some(name)) = (id, between(line, "AccountID=\"", "\"")) {
                self.names.entry(id).or_default().push(name.to_owned());
            }
        }
    }
}

fn between<'a>(line: &'a str, before: &str, behind: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(before)?;
    rest.split_once(behind).map(|(found, _)| found)
}
