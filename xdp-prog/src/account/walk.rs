//! The walk from name to name.

use super::{
    BY_CREDENTIALS, BY_FROM, FOLDS_MAX, FROM, LINES_MAX, MESSAGE_MAX, MORE, Message, NONE, NOTHING, Named,
    PARAMETER_TURNS, REALMS, TO, Wanted, flag,
    hash::End,
    line::HeaderKind,
    parameter::{self, ParameterStep},
};

/// A walk from name to name.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Walk {
    /// For the kernel: the beginning of the message in the frame.
    pub offset: u32,
    pub length: u32,
    at: u32,
    lines: u32,
    /// The request line was met; before it there may be empty ones.
    started: u32,
    /// Not 0: where the value of the header before is, and whether that is the [From](FROM) or the [To](TO).
    names: u32,
    /// A set of [`how`] flags.
    how: u32,
    /// The To headers that were met: [with a tag](dialog::INSIDE) and [without](dialog::OUTSIDE).
    dialog: u32,
    pub found: Named,
    realm: u64,
    /// The realms of earlier credentials, and the names for those.
    realms: [u64; REALMS],
    owners: [u64; REALMS],
    headers: u32,
    /// The walk's place in the credentials' value, and its state of [`parameter`].
    value_at: u32,
    state: u32,
    /// User names in these credentials.
    count: u32,
}

mod dialog {
    pub(super) const INSIDE: u32 = 1;
    pub(super) const OUTSIDE: u32 = 2;
}

mod how {
    /// From and To are not looked at.
    pub(super) const NO_ADDRESSES: u32 = 1;
    /// Challenges are looked for, instead of credentials.
    pub(super) const CHALLENGES: u32 = 16;
    /// Behind an empty line there may be another message: all lines count.
    pub(super) const STREAM: u32 = 2;
    /// There are more bytes than are looked at.
    pub(super) const CUT: u32 = 4;
    /// The end of the headers was met.
    pub(super) const ENDED: u32 = 8;
    /// The end of a message's headers was met.
    pub(super) const LATER: u32 = 32;
}

impl Walk {
    /// `stream`: it may be several messages, one behind the other, so that all of it is walked through.
    #[inline(always)]
    pub fn new(offset: u32, length: u32, wanted: Wanted, stream: bool) -> Self {
        let cut = if length > MESSAGE_MAX as u32 { how::CUT } else { 0 };
        let length = if length > MESSAGE_MAX as u32 { MESSAGE_MAX as u32 } else { length };
        let only = match wanted {
            Wanted::Names => 0,
            Wanted::Credentials | Wanted::RestOfHeader => how::NO_ADDRESSES,
            Wanted::Challenges => how::NO_ADDRESSES | how::CHALLENGES,
        };
        let is_rest = matches!(wanted, Wanted::RestOfHeader);
        let stream = if stream && !is_rest { how::STREAM } else { 0 };
        Self { offset, length, how: cut | only | stream, started: is_rest as u32, ..Self::default() }
    }

    /// Goes on to the next name and leaves it in [`found`](Self::found). `line` is [`line`](Self::line), `address` is
    /// [`address`](Self::address) and `credentials` is [`credentials`](Self::credentials), which the kernel verifies as
    /// functions by themselves.
    #[inline(always)]
    pub fn next(
        &mut self,
        line: impl Fn(&mut Self),
        address: impl Fn(&mut Self),
        credentials: impl Fn(&mut Self),
    ) {
        self.found = Named::default();
        let mut steps = 0;
        while steps < 2 * LINES_MAX {
            if self.names == 0 {
                let over = self.at >= self.length;
                if over || self.lines >= LINES_MAX {
                    let more = self.how & how::ENDED == 0 && (!over || self.how & how::CUT != 0);
                    self.found.kind = if more { MORE } else { NOTHING };
                    self.found.flags = if self.dialog == dialog::INSIDE { flag::IN_DIALOG } else { 0 };
                    return;
                }
                line(self);
            } else if self.names & (FROM | TO) != 0 {
                address(self);
                if self.found.kind != NOTHING {
                    return;
                }
            } else {
                credentials(self);
                return;
            }
            steps += 1;
        }
        self.found.kind = MORE;
    }

    /// Goes on by one line. Where a header with names begins, these are to be looked for.
    #[inline(always)]
    pub fn line(&mut self, message: &impl Message) {
        self.lines += 1;
        let at = self.at;
        let header = message.header(at);
        self.at = at + message.line_length(at, self.length - at);
        let mark = match header.kind {
            HeaderKind::Empty => {
                if self.how & how::STREAM != 0 {
                    // Another request follows, or a body.
                    self.headers = 0;
                    self.how |= if self.started != 0 { how::LATER } else { 0 };
                } else if self.started != 0 {
                    self.at = self.length;
                    self.how |= how::ENDED;
                }
                return;
            }
            HeaderKind::From if self.how & how::NO_ADDRESSES == 0 => FROM,
            HeaderKind::To if self.how & how::NO_ADDRESSES == 0 => TO,
            HeaderKind::Credentials if self.how & how::CHALLENGES == 0 => 0,
            HeaderKind::Challenge if self.how & how::CHALLENGES != 0 => 0,
            _ => {
                self.started = 1;
                return;
            }
        };
        self.started = 1;
        self.names = message.skip_blanks(at + header.value) | mark;
    }

    /// Goes on by the further lines of a header. Whether there may be more of them.
    #[inline(always)]
    fn unfold(&mut self, message: &impl Message) -> bool {
        let mut folds = 0;
        while folds < FOLDS_MAX {
            if self.at >= self.length || !matches!(message.byte(self.at), Some(b' ' | b'\t')) {
                break;
            }
            self.at += message.line_length(self.at, self.length - self.at);
            folds += 1;
        }
        folds == FOLDS_MAX
    }

    /// Reads the From header, or whether the To header has a tag; goes on by the header's further lines.
    #[inline(always)]
    pub fn address(&mut self, message: &impl Message) {
        self.unfold(message);
        let (value, names) = (self.value(message), self.names);
        self.names = 0;
        if names & TO != 0 {
            let at = names & !TO;
            self.dialog |= if message.has_tag(at, value.most(at)) { dialog::INSIDE } else { dialog::OUTSIDE };
            return;
        }
        let name = value.user_of_from(names & !FROM);
        if name != NONE {
            self.found.name = name;
            self.found.kind = BY_FROM;
        }
    }

    /// Begins to read credentials, and goes on by the header's further lines.
    #[inline(always)]
    pub fn begin_credentials(&mut self, message: &impl Message) {
        let has_more = self.unfold(message);
        let end = self.at;
        let cut = has_more || !matches!(message.byte(end.wrapping_sub(1)), Some(b'\n'));
        let later = if self.how & how::LATER != 0 { flag::LATER } else { 0 };
        let flags = later | if cut { flag::CUT } else { 0 };
        self.found = Named { kind: BY_CREDENTIALS, flags, end, ..Named::default() };
        self.value_at = self.names;
        self.names = 0;
        self.state = parameter::SCHEME as u32;
        self.count = 0;
        self.realm = NONE;
    }

    /// Reads credentials that were begun. `turn` is [`turn`](Self::turn), which the kernel verifies as a function by
    /// itself.
    #[inline(always)]
    pub fn credentials(&mut self, turn: impl Fn(&mut Self) -> bool) {
        let mut turns = 0;
        while turns < PARAMETER_TURNS {
            if turn(self) {
                self.compare();
                return;
            }
            turns += 1;
        }
        // More parameters than are looked at.
        self.compare();
        self.found.flags |= flag::ODD;
    }

    /// Goes on to the next parameter that matters; true: the credentials are over.
    #[inline(always)]
    pub fn turn(&mut self, message: &impl Message) -> bool {
        let (at, end) = (self.value_at, self.found.end);
        if at >= end {
            return true;
        }
        let begun = self.state as u8;
        // Most of credentials is within quotes.
        let skipped = if begun == parameter::QUOTED { message.skip_quoted(at, end - at) } else { 0 };
        let ParameterStep { state, read } =
            message.parameter(at + skipped, (end - at).wrapping_sub(skipped), begun);
        let read = read + skipped;
        self.value_at = at + read;
        self.state = state as u32;
        let value = Value { message, end };
        match state {
            parameter::ODD => {
                self.found.flags |= flag::ODD;
                self.state = parameter::SCHEME as u32;
            }
            parameter::ODD_ESCAPE => {
                self.found.flags |= flag::ODD;
                self.state = parameter::ESCAPED_NAME as u32;
            }
            parameter::ODD_COLON => {
                self.found.flags |= flag::ODD;
                self.state = parameter::QUOTED_NAME as u32;
            }
            parameter::AMBIGUOUS => {
                self.found.flags |= flag::NAMES;
                self.state = parameter::OTHER_VALUE as u32;
            }
            parameter::NAME | parameter::NAME_QUOTE => {
                let start = self.begin_value(state == parameter::NAME_QUOTE, parameter::NAME_BEGIN);
                let name = value.name_hash(start, End::of_value(state == parameter::NAME_QUOTE));
                if self.count != 0 && self.found.name != name {
                    self.found.flags |= flag::NAMES;
                }
                self.found.name = name;
                self.count += 1;
            }
            parameter::NONCE | parameter::NONCE_QUOTE => {
                let start = self.begin_value(state == parameter::NONCE_QUOTE, parameter::OTHER_EQUALS);
                self.found.nonce = value.hash(start, End::of_value(state == parameter::NONCE_QUOTE));
            }
            parameter::REALM | parameter::REALM_QUOTE => {
                let start = self.begin_value(state == parameter::REALM_QUOTE, parameter::OTHER_EQUALS);
                self.realm = value.hash(start, End::of_value(state == parameter::REALM_QUOTE));
            }
            _ => return read == 0,
        }
        false
    }

    /// The beginning of the value whose first byte was read. That byte is read again, in the state for values.
    #[inline(always)]
    const fn begin_value(&mut self, quoted: bool, state: u8) -> u32 {
        self.value_at -= 1;
        self.state = state as u32;
        if quoted { self.value_at + 1 } else { self.value_at }
    }

    /// Marks credentials for a realm that others in the message are for, too, under another name.
    #[inline(always)]
    fn compare(&mut self) {
        let mut at = 0;
        while at < REALMS {
            if (at as u32) < self.headers {
                if self.realms[at] == self.realm && self.owners[at] != self.found.name {
                    self.found.flags |= flag::NAMES;
                }
            } else if at as u32 == self.headers {
                self.realms[at] = self.realm;
                self.owners[at] = self.found.name;
            }
            at += 1;
        }
        self.headers += 1;
        if self.headers > REALMS as u32 {
            self.found.flags |= flag::ODD;
        }
    }

    #[inline(always)]
    const fn value<'a, M: Message>(&self, message: &'a M) -> Value<'a, M> {
        Value { message, end: self.at }
    }
}

/// The value of a header, up to its end.
pub(super) struct Value<'a, M> {
    message: &'a M,
    end: u32,
}

impl<M: Message> Value<'_, M> {
    #[inline(always)]
    const fn most(&self, at: u32) -> u32 {
        self.end.saturating_sub(at)
    }

    #[inline(always)]
    fn user_of_from(&self, at: u32) -> u64 {
        let Some(uri) = self.message.uri(at, self.most(at)) else { return NONE };
        let at = at + uri.at;
        let Some(user) = self.message.user(at, self.most(at), uri.bracketed) else { return NONE };
        let end = if user.is_telephone { End::Telephone } else { End::User };
        self.name_hash(at + user.at, end)
    }

    #[inline(always)]
    fn name_hash(&self, at: u32, end: End) -> u64 {
        self.message.name_hash(at, self.most(at), end)
    }

    #[inline(always)]
    fn hash(&self, at: u32, end: End) -> u64 {
        self.message.value_hash(at, self.most(at), end)
    }
}
