//! The order of judgement.
//!
//! Of a request of a phone: is it clear; is it part of something that was let in before; has the guard closed the account;
//! are its credentials right; does the operator let the account in; then it goes on to the PBX. Who has no right digest
//! learns nothing about an account, not even by the time that the answer takes.

mod answered_invites;
mod bindings;
mod cause;
mod evidence;
mod marked_accounts;
mod moves;
mod received;
mod registering;
mod speaker;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use sipward_types::{
    account::Account,
    evidence::Method,
    flow::Transport,
    time::{KernelTime, WallSeconds},
};

use self::{
    answered_invites::AnsweredInvites,
    bindings::Bindings,
    marked_accounts::MarkedAccounts,
    moves::Moves,
    registering::{Registering, Registration},
    speaker::{may_speak, own_name},
};
pub use self::{
    bindings::{Binding, BindingChanges, PhoneName},
    cause::{Cause, Counters},
    evidence::{Evidence, Outcome},
    received::Received,
};
use crate::{
    account::{Accounts, Admission, PreparedAccount},
    answer::{Answer, Status, is_our_tag},
    authenticator::{
        Authenticator, AuthenticatorSettings, CredentialsError, DigestCredentials, DigestRequest,
        DigestVerdict,
    },
    digest::{Algorithm, HashFunction},
    forward::{self, DialogPhone, Forwarded, Forwarder, LetIn},
    in_force::{Closed, InForce},
    keys::{Keys, Purpose},
    link::{Link, Side},
    message::{Carrier, FramingError, Message, Start, UnclearMessage},
    settings::{Challenge, Settings},
};

/// Seconds until a phone should try again when the PBX cannot be reached.
const RETRY_AFTER: u32 = 5;

/// The credentials of one request for the edge's realm.
const MOST_CREDENTIALS: usize = 2 * HashFunction::ALL.len();

/// The moment at which something arrives.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub kernel: KernelTime,
    /// For the days on which accounts expire.
    pub wall: WallSeconds,
}

#[derive(Debug)]
pub struct Edge {
    settings: Settings,
    keys: Keys,
    authenticator: Authenticator,
    accounts: Arc<Accounts>,
    marked_accounts: MarkedAccounts,
    in_force: InForce,
    forwarder: Forwarder,
    registering: Registering,
    bindings: Bindings,
    moves: Moves,
    answered_invites: AnsweredInvites,
    counters: Counters,
}

impl Edge {
    /// `run` is random, and of this start.
    pub fn new(settings: Settings, keys: Keys, accounts: Arc<Accounts>, run: u32) -> Self {
        let algorithms =
            settings.algorithms.iter().map(|function| Algorithm::new(*function, false)).collect();
        let nonce_lifetime = settings.nonce_lifetime;
        let of_digest = AuthenticatorSettings { realm: settings.realm.clone(), algorithms, nonce_lifetime };
        Self {
            authenticator: Authenticator::new(of_digest, keys.clone(), run),
            marked_accounts: MarkedAccounts::of(&accounts, &keys),
            accounts,
            in_force: InForce::default(),
            forwarder: Forwarder::new(settings.of_forwarding(), keys.clone()),
            registering: Registering::default(),
            bindings: Bindings::default(),
            moves: Moves::default(),
            answered_invites: AnsweredInvites::default(),
            counters: Counters::default(),
            keys,
            settings,
        }
    }

    pub fn set_accounts(&mut self, accounts: Arc<Accounts>) {
        self.marked_accounts = MarkedAccounts::of(&accounts, &self.keys);
        self.accounts = accounts;
    }

    pub const fn in_force(&mut self) -> &mut InForce {
        &mut self.in_force
    }

    /// The contacts that phones had before a restart.
    pub fn restore(&mut self, bindings: impl IntoIterator<Item = Binding>, now: Now) {
        self.bindings.restore(bindings, now.wall);
    }

    /// Contacts to be written down, so that they outlive a restart.
    pub fn take_binding_changes(&mut self) -> BindingChanges {
        self.bindings.take_changes()
    }

    pub fn forget_ended(&mut self, now: Now) {
        self.in_force.forget_ended(now.kernel);
        self.bindings.forget_ended(now.wall);
    }

    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The number of hashes that were run for digests.
    pub const fn digest_runs(&self) -> u64 {
        self.authenticator.digest_runs()
    }

    pub fn receive(&mut self, from: Link, carrier: Carrier, bytes: &[u8], now: Now) -> Received {
        let received = match Message::read(bytes, carrier) {
            Ok(message) => match (message.start(), from.side) {
                (Start::Request { method, .. }, Side::Outer) => {
                    self.of_outer_side(&message, method, from, now)
                }
                (Start::Request { .. }, Side::Inner) => self.of_pbx(&message, from, now),
                (Start::Answer { status }, _) => self.answer_back(&message, status, from, now),
            },
            Err(refused) => self.unclear(&refused, from),
        };
        if let Some(cause) = received.cause {
            self.counters.count(cause);
        }
        received
    }

    /// A message could not be sent over its connection, which is gone: its sender is told.
    pub fn gone(&mut self, bytes: &[u8], to: Link) -> Received {
        let Ok(message) = Message::read(bytes, Carrier::Stream) else { return Received::default() };
        let (answer, cause) = match to.side {
            Side::Outer => (self.forwarder.flow_gone(&message).answer(), Cause::FlowGone),
            Side::Inner => (Answer::service_unavailable(RETRY_AFTER), Cause::PbxUnreachable),
        };
        self.counters.count(cause);
        // It goes the way that the answer of the other end would have gone.
        let answer = answer.write(&message, to.peer, &self.keys, None);
        let sent = answer.and_then(|bytes| {
            let answer = Message::read(&bytes, Carrier::Stream).ok()?;
            self.forwarder.own_answer_back(&answer, to)
        });
        Received { sends: sent.into_iter().collect(), cause: Some(cause), ..Received::default() }
    }

    /// A connection has to be closed: nobody knows where its next message begins.
    pub fn unframed(&mut self, error: FramingError) -> Received {
        let cause = match error {
            FramingError::Http | FramingError::NotSip => Cause::NotSip,
            _ => Cause::Unclear,
        };
        self.counters.count(cause);
        Received { cause: Some(cause), detail: Some(error.name().to_owned()), ..Received::default() }
    }

    fn unclear(&self, refused: &UnclearMessage<'_>, from: Link) -> Received {
        let received = match &refused.answerable {
            Some(request) if from.side == Side::Outer => {
                self.refuse(request, from, Status::BadRequest, Cause::Unclear)
            }
            _ => Received { cause: Some(Cause::Unclear), ..Received::default() },
        };
        Received { detail: Some(refused.cause.name().to_owned()), ..received }
    }

    /// The ACK to an answer of the edge ends here, as the INVITE did.
    fn of_outer_side(&mut self, request: &Message<'_>, method: &[u8], from: Link, now: Now) -> Received {
        if method == b"ACK" && self.answered_invites.is_acknowledged(request, &self.keys) {
            return Received::default();
        }
        let received = self.of_phone(request, method, from, now);
        let is_answered = received.sends.iter().any(|sent| sent.to.side == Side::Outer);
        if is_answered && method == b"INVITE" && request.to().tag.is_some() {
            self.answered_invites.add(request, &self.keys);
        }
        received
    }

    fn of_phone(&mut self, request: &Message<'_>, method: &[u8], from: Link, now: Now) -> Received {
        let received = self.judge_by_method(request, method, from, now);
        match received {
            Received { cause: Some(_), account: None, .. } if request.credentials().next().is_none() => {
                Received { account: Account::new(own_name(request, method)), ..received }
            }
            received => received,
        }
    }

    fn judge_by_method(&mut self, request: &Message<'_>, method: &[u8], from: Link, now: Now) -> Received {
        match method {
            b"ACK" if is_our_tag(request, &self.keys) => Received::default(),
            // It says something, and nobody can be asked for credentials by it.
            b"ACK" if !request.body().is_empty() && !self.is_of_phone_in_dialog(request, from) => {
                Received { cause: Some(Cause::NoDialog), ..Received::default() }
            }
            // An ACK is never answered. A CANCEL reaches what its INVITE has reached: from another port it has another
            // branch, by which the PBX finds nothing.
            b"ACK" | b"CANCEL" => self.to_pbx(request, from, LetIn::default(), now),
            b"REGISTER" => self.authenticate(request, method, from, None, now),
            _ if request.to().tag.is_none() => self.authenticate(request, method, from, None, now),
            _ => self.in_dialog(request, method, from, now),
        }
    }

    /// A tag is no proof of anything: whoever is in a dialog has the edge's signed route of it, and is the phone that began
    /// it. Others see that route, too: those who carry it, and the other end.
    fn in_dialog(&mut self, request: &Message<'_>, method: &[u8], from: Link, now: Now) -> Received {
        let Some(dialog) = self.forwarder.dialog(request) else {
            return self.refuse(request, from, Status::NoSuchCall, Cause::NoDialog);
        };
        let accounts = Arc::clone(&self.accounts);
        let found = self.marked_accounts.get(&accounts, dialog.phone.account, request.from().uri.user);
        // Many clients do not answer the challenge to a BYE, and it does no more than to end what began.
        let goes_on = method == b"BYE" || self.may_go_on(request, &dialog, found, from, now);
        if dialog.is_named && goes_on {
            let account = found.map(|found| found.account().name.as_str());
            return self.to_pbx(request, from, LetIn { account, former: &[] }, now);
        }
        self.authenticate(request, method, from, Some(dialog), now)
    }

    /// The phone of the dialog sends it, from where it is. Its port there is the one that answers go to.
    fn is_of_phone_in_dialog(&self, request: &Message<'_>, from: Link) -> bool {
        self.forwarder
            .dialog(request)
            .is_some_and(|dialog| dialog.is_named && self.moves.place(dialog.phone) == request.reply_to(from))
    }

    /// The phone is where it was let in, and its account is let in still. A phone that was called need not be named by its
    /// account, but by that of somebody else only with its password: a PBX may take its word for who calls.
    fn may_go_on(
        &self,
        request: &Message<'_>,
        dialog: &DialogPhone,
        found: Option<&PreparedAccount>,
        from: Link,
        now: Now,
    ) -> bool {
        let Some(account) = found.map(PreparedAccount::account) else { return false };
        let says = request.from().uri.user;
        let is_somebody_else = says != account.name.as_bytes() && self.accounts.get(says).is_some();
        let is_closed = Account::new(account.name.as_bytes())
            .is_none_or(|name| self.in_force.closed(&name, from.peer.ip(), now.kernel).is_some());
        dialog.lets_in(now.wall)
            && self.moves.place(dialog.phone) == from
            && !is_somebody_else
            && !is_closed
            && account.admission(from.peer.ip(), now.wall) == Admission::Admitted
    }

    fn of_pbx(&mut self, request: &Message<'_>, from: Link, now: Now) -> Received {
        if from.peer.ip() != self.settings.pbx.ip() {
            return Received { cause: Some(Cause::NotThePbx), ..Received::default() };
        }
        match self.forwarder.to_phone(request, from, |phone| self.moves.place(phone), now.wall) {
            Ok(forwarded) => Received { sends: vec![forwarded], ..Received::default() },
            Err(why) => self.not_forwarded(request, from, &why),
        }
    }

    fn answer_back(&mut self, message: &Message<'_>, status: u16, from: Link, now: Now) -> Received {
        if from.side == Side::Inner && from.peer.ip() != self.settings.pbx.ip() {
            return Received { cause: Some(Cause::NotThePbx), ..Received::default() };
        }
        let Some(forwarded) = self.forwarder.answer_back(message, from) else {
            return Received { cause: Some(Cause::StrayAnswer), ..Received::default() };
        };
        let is_registered =
            message.sequence().method == b"REGISTER" && from.side == Side::Inner && status >= 200;
        let registration = if is_registered { self.registering.take(message, forwarded.to) } else { None };
        let evidence = match (registration, Message::read(&forwarded.bytes, Carrier::Datagram)) {
            (Some(registration), Ok(answer)) if status < 300 => {
                let outcomes = registration.outcomes(&answer);
                self.bindings.taken(&registration.rebinding, Registration::granted(&outcomes), now.wall);
                outcomes
            }
            _ => Vec::new(),
        };
        Received { sends: vec![forwarded], evidence, ..Received::default() }
    }

    /// `dialog`: the one that the request is in.
    fn authenticate(
        &mut self,
        request: &Message<'_>,
        method: &[u8],
        from: Link,
        dialog: Option<DialogPhone>,
        now: Now,
    ) -> Received {
        let credentials = match self.own_credentials(request) {
            Ok(credentials) => credentials,
            Err(error) => return self.unclear_credentials(request, from, error),
        };
        let name: &[u8] = match credentials.first() {
            Some(credentials) => &credentials.username,
            None => own_name(request, method),
        };
        let account = Account::new(name);
        let attempt = Attempt { request, method, from, account: account.clone(), dialog };
        Received { account, ..self.judge_in_turn(attempt, &credentials, now) }
    }

    fn judge_in_turn(
        &mut self,
        attempt: Attempt<'_>,
        credentials: &[DigestCredentials<'_>],
        now: Now,
    ) -> Received {
        let Attempt { request, method, from, ref account, .. } = attempt;
        if let Some(account) = account
            && let Some(closed) = self.in_force.closed(account, from.peer.ip(), now.kernel)
        {
            let cause = match closed {
                Closed::Suspended => Cause::Suspended,
                Closed::Locked => Cause::LockedByGuard,
            };
            return self.refuse(request, from, Status::Forbidden, cause);
        }
        if credentials.is_empty() {
            let cause =
                if request.credentials().next().is_some() { Cause::WrongRealm } else { Cause::Challenged };
            let asked = self.challenge(request, method, from, false, cause, now);
            return with_evidence(asked, attempt.account, from, method, Outcome::Challenged);
        }
        self.judge(attempt, credentials, now)
    }

    /// `credentials`: one at least, all of one name.
    fn judge(&mut self, attempt: Attempt<'_>, credentials: &[DigestCredentials<'_>], now: Now) -> Received {
        let Attempt { request, method, from, .. } = attempt;
        let accounts = Arc::clone(&self.accounts);
        let found = accounts.get(&credentials[0].username);
        // A copy from another port, or with another content, is no retransmission: the PBX would do what it says.
        let sender = format!("{} {:?}", from.peer, from.transport);
        let digest_request = DigestRequest {
            method,
            uri: request.uri().unwrap_or_default(),
            source: from.peer.ip(),
            transaction: &[sender.as_bytes(), request.bytes()],
        };
        let mut verdict_of = |own| self.authenticator.judge(&digest_request, own, found, now.kernel);
        let (mut judged, mut verdict) = (&credentials[0], verdict_of(&credentials[0]));
        for own in &credentials[1..] {
            // A phone may send what it has for the other header, however old that is.
            if matches!(verdict, DigestVerdict::Stale(_)) {
                (judged, verdict) = (own, verdict_of(own));
            }
        }
        match verdict {
            DigestVerdict::Right { again } => match found {
                Some(found) => self.admit(attempt, found, again, now),
                None => self.challenge(request, method, from, false, Cause::WrongPassword, now),
            },
            DigestVerdict::Wrong(why) => {
                let asked = self.challenge(request, method, from, false, Cause::WrongPassword, now);
                let asked = Received { detail: Some(why.as_str().to_owned()), ..asked };
                let outcome = Outcome::Failed { attempt: judged.attempt() };
                with_evidence(asked, attempt.account, from, method, outcome)
            }
            DigestVerdict::Stale(why) => {
                let asked = self.challenge(request, method, from, true, Cause::StaleNonces, now);
                let asked = Received { detail: Some(why.as_str().to_owned()), ..asked };
                with_evidence(asked, attempt.account, from, method, Outcome::Stale)
            }
            DigestVerdict::Malformed(error) => self.unclear_credentials(request, from, error),
            DigestVerdict::OtherRealm => self.challenge(request, method, from, false, Cause::WrongRealm, now),
            DigestVerdict::AlgorithmNotOffered => {
                self.challenge(request, method, from, false, Cause::AlgorithmNotOffered, now)
            }
        }
    }

    /// The digest was right: from here on, answers may tell. A request that comes `again` is sent on again, and changes
    /// nothing here: the phone may be elsewhere by now.
    fn admit(&mut self, attempt: Attempt<'_>, found: &PreparedAccount, again: bool, now: Now) -> Received {
        let Attempt { request, method, from, account, dialog } = attempt;
        let name = found.account().name.as_str();
        let cause = match found.account().admission(from.peer.ip(), now.wall) {
            // Somebody else's route is no dialog of this account.
            Admission::Admitted if dialog.is_some_and(|dialog| !self.is_phone_of(name, &dialog)) => {
                return self.refuse(request, from, Status::NoSuchCall, Cause::NoDialog);
            }
            Admission::Admitted if may_speak(request, method, name, dialog) => None,
            // The PBX takes its word for who calls.
            Admission::Admitted => Some(Cause::OtherAccount),
            Admission::Locked => Some(Cause::Locked),
            Admission::Disabled => Some(Cause::Disabled),
            Admission::Expired => Some(Cause::Expired),
            Admission::AddressNotAllowed => Some(Cause::AddressNotAllowed),
        };
        if let Some(cause) = cause {
            return self.refuse(request, from, Status::Forbidden, cause);
        }
        let Some(account) = account else { return Received::default() };
        if let Some(dialog) = dialog.filter(|_| !again) {
            self.moved(name, self.moves.place(dialog.phone), request.reply_to(from));
        }
        let received = if method == b"REGISTER" {
            self.register(request, from, &account, again, now)
        } else {
            self.to_pbx(request, from, LetIn { account: Some(name), former: &[] }, now)
        };
        if again {
            return received;
        }
        with_evidence(received, Some(account), from, method, Outcome::Succeeded)
    }

    /// The account's password was right there.
    fn moved(&mut self, account: &str, from: Link, to: Link) {
        self.moves.add(self.keys.signatures(Purpose::Account, &[account.as_bytes()]), from, to);
    }

    fn is_phone_of(&self, name: &str, dialog: &DialogPhone) -> bool {
        self.keys.has_signed(Purpose::Account, &[name.as_bytes()], &dialog.phone.account)
    }

    fn register(
        &mut self,
        request: &Message<'_>,
        from: Link,
        account: &Account,
        again: bool,
        now: Now,
    ) -> Received {
        let contacts = self.forwarder.contacts(request, from, account.as_str());
        let rebinding = self.bindings.rebinding(account, PhoneName::of(request, from), contacts);
        let let_in = LetIn { account: Some(account.as_str()), former: &rebinding.former };
        let received = self.to_pbx(request, from, let_in, now);
        if again || received.cause.is_some() {
            return received;
        }
        let place = request.reply_to(from);
        self.moved(account.as_str(), place, place);
        for uri in rebinding.former.iter().filter(|_| !rebinding.contacts.is_empty()) {
            if let Some((before, _)) = self.forwarder.read_contact(uri.as_bytes()) {
                self.moved(account.as_str(), before.link, place);
            }
        }
        self.bindings.sent(&rebinding, registering::DEFAULT, now.wall);
        self.registering.add(request, Registration::of(request, from, rebinding), now.kernel);
        received
    }

    /// The credentials for the edge's realm. Those for others are for the PBX.
    fn own_credentials<'a>(
        &self,
        request: &Message<'a>,
    ) -> Result<Vec<DigestCredentials<'a>>, CredentialsError> {
        let mut own: Vec<DigestCredentials<'_>> = Vec::new();
        for (_, value) in request.credentials() {
            match DigestCredentials::parse(value) {
                Ok(credentials) if *credentials.realm == *self.settings.realm.as_str().as_bytes() => {
                    // A phone that was asked by both headers may answer both, for itself, by each algorithm.
                    if own.len() == MOST_CREDENTIALS
                        || own.iter().any(|other| other.username != credentials.username)
                    {
                        return Err(CredentialsError::Repeated);
                    }
                    own.push(credentials);
                }
                Ok(_) | Err(CredentialsError::OtherScheme) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(own)
    }

    fn challenge(
        &mut self,
        request: &Message<'_>,
        method: &[u8],
        from: Link,
        stale: bool,
        cause: Cause,
        now: Now,
    ) -> Received {
        const WWW: &str = "WWW-Authenticate";
        const PROXY: &str = "Proxy-Authenticate";
        let (status, headers): (_, &[&'static str]) = match (self.settings.challenge, method) {
            (Challenge::Unauthorized, _) => (Status::Unauthorized, &[WWW]),
            (Challenge::ProxyAuthentication, _) => (Status::ProxyAuthenticationRequired, &[PROXY]),
            (Challenge::Both, b"REGISTER") => (Status::Unauthorized, &[WWW, PROXY]),
            (Challenge::Both, _) => (Status::ProxyAuthenticationRequired, &[WWW, PROXY]),
        };
        let challenges = self.authenticator.challenges(from.peer.ip(), stale, now.kernel);
        let lines = headers.iter().flat_map(|header| challenges.iter().map(move |value| (*header, value)));
        let answer = lines.fold(Answer::new(status), |answer, (header, value)| answer.header(header, value));
        let sent = self.reply(request, from, &answer);
        Received { sends: sent.into_iter().collect(), cause: Some(cause), ..Received::default() }
    }

    fn refuse(&self, request: &Message<'_>, from: Link, status: Status, cause: Cause) -> Received {
        let answer = match cause::warning(cause) {
            Some(words) => Answer::new(status).warning(self.settings.realm.as_str(), words),
            None => Answer::new(status),
        };
        let is_silent = self.settings.is_silent && from.side == Side::Outer;
        let sent = if is_silent { None } else { self.reply(request, from, &answer) };
        Received { sends: sent.into_iter().collect(), cause: Some(cause), ..Received::default() }
    }

    fn unclear_credentials(&self, request: &Message<'_>, from: Link, error: CredentialsError) -> Received {
        let refused = self.refuse(request, from, Status::BadRequest, Cause::Credentials);
        Received { detail: Some(error.to_string()), ..refused }
    }

    fn reply(&self, request: &Message<'_>, from: Link, answer: &Answer) -> Option<Forwarded> {
        let most = (from.transport == Transport::Udp).then_some(request.bytes().len());
        let bytes = answer.write(request, from.peer, &self.keys, most)?;
        let peer = request.via().reply_to(from.peer, from.transport);
        Some(Forwarded { to: Link { peer, ..from }, bytes })
    }

    fn to_pbx(&self, request: &Message<'_>, from: Link, let_in: LetIn<'_>, now: Now) -> Received {
        match self.forwarder.to_pbx(request, from, let_in, now.wall) {
            Ok(forwarded) => Received { sends: vec![forwarded], ..Received::default() },
            Err(why) => self.not_forwarded(request, from, &why),
        }
    }

    fn not_forwarded(&self, request: &Message<'_>, from: Link, why: &forward::Refusal) -> Received {
        let sent = self.reply(request, from, &why.answer());
        let cause = cause::of_forwarding(why);
        Received { sends: sent.into_iter().collect(), cause: Some(cause), ..Received::default() }
    }
}

/// A request with credentials.
#[derive(Clone, Debug)]
struct Attempt<'a> {
    request: &'a Message<'a>,
    method: &'a [u8],
    from: Link,
    account: Option<Account>,
    dialog: Option<DialogPhone>,
}

fn with_evidence(
    mut received: Received,
    account: Option<Account>,
    from: Link,
    method: &[u8],
    outcome: Outcome,
) -> Received {
    let method = match method {
        b"REGISTER" => Method::Register,
        b"INVITE" => Method::Invite,
        _ => Method::Other,
    };
    // Of nobody there is nothing to count but that somebody asks.
    if account.is_some() || outcome == Outcome::Challenged {
        received.evidence.push(Evidence { account, from, method, outcome });
    }
    received
}
