//! Requests, from phones to the PBX and from the PBX to phones.

use sipward_sip::Credentials;
use sipward_types::{flow::Transport, time::WallSeconds};

use super::{
    Forwarded, Forwarder, LetIn, Refusal, Role, answers::with_transaction, edits::Edits, settings::Listener,
};
use crate::{
    link::{Link, Side},
    message::{Header, Line, Message},
    token::{self, Phone},
};

/// RFC 3261 §8.1.1.6.
const MAX_FORWARDS: u8 = 70;

impl Forwarder {
    /// A phone's request, on its way to the PBX.
    pub fn to_pbx(
        &self,
        request: &Message<'_>,
        from: Link,
        let_in: LetIn<'_>,
        now: WallSeconds,
    ) -> Result<Forwarded, Refusal> {
        self.check(request)?;
        let to = self.settings.pbx_link(from.transport).ok_or(Refusal::NoListener)?;
        let listeners = self.listeners(from, to).ok_or(Refusal::NoListener)?;
        let (_, inner) = listeners;
        let phone = Phone { link: request.reply_to(from), account: self.account_mark(let_in.account) };
        let mut edits = Edits::new(request);
        self.add_via(request, inner, from, &mut edits);
        if begins_dialog(request) && self.dialog(request).is_none() {
            let token = self.route_token(request, Role::Caller, phone, now);
            edits.add_line(&Self::record_route(&token, listeners, Side::Inner));
        }
        if request.method() == Some(b"REGISTER") {
            self.add_binding(request, inner, phone, &mut edits);
            let_in.former.iter().for_each(|uri| edits.add_line(&format!("Contact: <{uri}>;expires=0")));
        }
        edits.add_line(&source_line(from, let_in.account));
        count_hop(request, &mut edits);
        self.routing(request).apply(request, &mut edits);
        edits.remove_where(|line| {
            matches!(line.header, Header::Identity | Header::Sipward) || self.is_for_us(request, line)
        });
        Ok(Forwarded { to, bytes: edits.apply() })
    }

    /// The PBX's request, on its way to a phone: that of the dialog, or that of the binding. `place`: where a phone is now.
    pub fn to_phone(
        &self,
        request: &Message<'_>,
        from: Link,
        place: impl FnOnce(Phone) -> Link,
        now: WallSeconds,
    ) -> Result<Forwarded, Refusal> {
        self.check(request)?;
        let routing = self.routing(request);
        let dialog = self.dialog_of(request, Side::Inner, &routing);
        let by_path = || routing.tokens().find_map(|token| token::read_binding(&self.keys, token));
        let by_contact = || request.uri().and_then(|uri| self.read_contact(uri));
        let (phone, contact) = match dialog {
            Some(dialog) => (dialog.phone, Vec::new()),
            None => by_path().or_else(by_contact).ok_or(Refusal::NoRoute)?,
        };
        let to = place(phone);
        let listeners = self.listeners(to, from).ok_or_else(|| self.flow_gone(request))?;
        let (outer, _) = listeners;
        let mut edits = Edits::new(request);
        self.add_via(request, outer, from, &mut edits);
        if begins_dialog(request) && dialog.is_none() {
            let token = self.route_token(request, Role::Callee, Phone { link: to, ..phone }, now);
            edits.add_line(&Self::record_route(&token, listeners, Side::Outer));
        }
        count_hop(request, &mut edits);
        match (request.uri(), routing.target) {
            (Some(uri), None) if !contact.is_empty() => edits.replace(uri, contact),
            _ => {}
        }
        routing.apply(request, &mut edits);
        edits.remove_where(|line| line.header == Header::Sipward);
        Ok(Forwarded { to, bytes: edits.apply() })
    }

    /// For a request of the PBX whose phone's connection is gone.
    pub fn flow_gone(&self, request: &Message<'_>) -> Refusal {
        let routing = self.routing(request);
        let by_path = routing.tokens().any(|token| token::read_binding(&self.keys, token).is_some());
        Refusal::FlowGone { by_path }
    }

    /// The reasons of RFC 3261 §16.3 not to send a request on.
    fn check(&self, request: &Message<'_>) -> Result<(), Refusal> {
        const SCHEMES: [&[u8]; 4] = [b"sip", b"sips", b"tel", b"urn"];
        let uri = request.uri().unwrap_or_default();
        let scheme = uri.split(|&byte| byte == b':').next().unwrap_or_default();
        if !SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
            return Err(Refusal::UnsupportedScheme);
        }
        if request.max_forwards() == Some(0) {
            return Err(Refusal::TooManyHops);
        }
        if self.own_branch(request).is_some() {
            return Err(Refusal::Loop);
        }
        let options: Vec<_> = request
            .listed(Header::ProxyRequire)
            .map(|option| String::from_utf8_lossy(option.value).into_owned())
            .filter(|option| !option.is_empty())
            .collect();
        // Those of an INVITE were refused with it; its ACK and CANCEL have to follow it (RFC 3261 §20.29).
        if options.is_empty() || matches!(request.method(), Some(b"ACK" | b"CANCEL")) {
            return Ok(());
        }
        Err(Refusal::UnknownExtension(options.join(", ")))
    }

    fn listeners(&self, outer: Link, inner: Link) -> Option<(&Listener, &Listener)> {
        let is_right = outer.side == Side::Outer && inner.side == Side::Inner;
        let is_alike = outer.transport == inner.transport;
        Some((self.settings.listener(outer)?, self.settings.listener(inner)?))
            .filter(|_| is_right && is_alike)
    }

    /// The edge's own Via, and in the one below the address that the request really came from.
    fn add_via<'a>(&self, request: &Message<'a>, by: &Listener, from: Link, edits: &mut Edits<'_, 'a>) {
        let below = request.via();
        let back = request.reply_to(from);
        let branch = with_transaction(request, &below.via, |parts| token::branch(&self.keys, back, parts));
        let transport = match from.transport {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        };
        let advertised = &by.advertised;
        edits.add_line(&format!(
            "Via: SIP/2.0/{transport} {}:{};branch={branch}",
            advertised.host, advertised.port
        ));
        edits.replace(below.value, below.stamped(from.peer));
    }

    /// Credentials for the edge's realm: the PBX could mistake them for its own.
    fn is_for_us(&self, request: &Message<'_>, line: &Line) -> bool {
        matches!(line.header, Header::Authorization | Header::ProxyAuthorization)
            && Credentials::parse(request.value(line))
                .is_some_and(|credentials| credentials.realm == self.settings.realm.as_bytes())
    }
}

fn begins_dialog(request: &Message<'_>) -> bool {
    matches!(request.method(), Some(b"INVITE" | b"SUBSCRIBE" | b"REFER" | b"NOTIFY"))
}

fn count_hop<'a>(request: &Message<'a>, edits: &mut Edits<'_, 'a>) {
    match (request.lines_of(Header::MaxForwards).next(), request.max_forwards()) {
        (Some(line), Some(hops)) => {
            edits.replace(request.value(line), hops.saturating_sub(1).to_string());
        }
        _ => edits.add_line(&format!("Max-Forwards: {MAX_FORWARDS}")),
    }
}

/// The caller as the edge sees it. What could end the line or the account is escaped as in a URI.
fn source_line(from: Link, account: Option<&str>) -> String {
    let transport = match from.transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
    };
    let mut line = format!("X-Sipward-Source: {};{transport}", from.peer);
    if let Some(account) = account {
        line.push(';');
        for byte in account.bytes() {
            match byte {
                b'-' | b'.' | b'_' | b'~' | b'+' | b'@' => line.push(char::from(byte)),
                _ if byte.is_ascii_alphanumeric() => line.push(char::from(byte)),
                _ => line += &format!("%{byte:02X}"),
            }
        }
    }
    line
}
