//! The reasons for which packets pass or drop. The names are stable: counters, events, logs and documentation use them.

use crate::packed::{Packed, packed_enum};

/// The fate of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Pass,
    Drop,
}

macro_rules! reasons {
    (
        pass { $($(#[doc = $pass_doc:literal])+ $pass:ident = $pass_name:literal;)+ }
        drop { $($(#[doc = $drop_doc:literal])+ $drop:ident = $drop_name:literal;)+ }
    ) => {
        /// All reasons to drop a packet, as a pattern.
        macro_rules! drops {
            () => { $($crate::reason::Reason::$drop)|+ };
        }
        pub(crate) use drops;

        /// Every fate a packet can have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reason { $($(#[doc = $pass_doc])+ $pass,)+ $($(#[doc = $drop_doc])+ $drop),+ }

        impl Reason {
            pub const ALL: &'static [Self] = &[$(Self::$pass,)+ $(Self::$drop),+];
            pub const COUNT: usize = Self::ALL.len();

            /// The one place where a reason becomes an action.
            #[inline(always)]
            pub const fn action(self) -> Action {
                match self { $(Self::$pass => Action::Pass,)+ $(Self::$drop => Action::Drop),+ }
            }

            pub const fn name(self) -> &'static str {
                match self { $(Self::$pass => $pass_name,)+ $(Self::$drop => $drop_name),+ }
            }

            /// One sentence for people: what the packet was and why this was its fate.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$pass => concat!($($pass_doc),+),)+
                    $(Self::$drop => concat!($($drop_doc),+)),+
                }
            }
        }
    };
}

reasons! {
    pass {
        /// Not IPv4 or IPv6, or too short to tell: none of our business.
        NotIp = "not-ip";
        /// Not UDP or TCP to a SIP port: never touched.
        OtherPort = "other-port";
        /// An IP header that contradicts itself: the port cannot be known, and the stack refuses it by itself.
        BadIp = "bad-ip";
        /// A later fragment whose first one was not dropped.
        Fragment = "fragment";
        /// From a trusted source.
        Trusted = "trusted";
        /// A keepalive: no payload, only CR, LF, NUL or blanks, or STUN.
        Keepalive = "keepalive";
        /// A SIP response, within the rate of responses.
        Response = "response";
        /// A request that no rule objects to.
        Request = "request";
        /// A TCP segment without payload (a handshake, an acknowledgement) within its rate.
        TcpControl = "tcp-control";
        /// The middle of a TCP or TLS stream: nothing in it can be judged alone.
        Stream = "stream";
        /// A UDP payload that is no SIP message, within the rate of `other`.
        NotSip = "not-sip";
    }
    drop {
        /// The source address is banned.
        Ban = "ban";
        /// The source is in a banned prefix.
        BanPrefix = "ban-prefix";
        /// Lock-down is on and the source is not trusted.
        TrustedOnly = "trusted-only";
        /// To a SIP port, and its UDP or TCP header contradicts its length, its message hides behind dozens of
        /// blanks, or the messages in its segment cannot be told apart.
        Malformed = "malformed";
        /// A first fragment that is too short to show what it is.
        FragmentTiny = "fragment-tiny";
        /// A later fragment of a packet whose first fragment was dropped.
        FragmentRest = "fragment-rest";
        /// The header has a CR without its LF: some PBXs end the line there, others read on.
        FormLineEnd = "form:line-end";
        /// The header has a NUL, behind which some read on.
        FormNul = "form:nul";
        /// A stranger's start line has something else than ` SIP/2.0` where the version stands, or begins like a response
        /// that it is not.
        FormVersion = "form:version";
        /// A stranger's start line goes on in the next line, or begins with what is no method.
        FormStartLine = "form:start-line";
        /// A line of blanks follows a stranger's start line.
        FormBlankLine = "form:blank-line";
        /// A stranger's request has two user names in one header with credentials, or in two for the same realm.
        FormNames = "form:names";
        /// The IP headers are not all in the first fragment, or there are more of them, or more VLAN tags, than
        /// are followed.
        FormIpChain = "form:ip-chain";
        /// A TCP segment in the clear has urgent data, or comes in IP fragments.
        FormTcp = "form:tcp";
        /// OPTIONS from a source that is neither trusted nor known.
        OptionsStranger = "options-stranger";
        /// A method that is in no standard, while the policy is to drop those.
        MethodUnknown = "method-unknown";
        /// A request that opens something, of an account or a flow that is suspended.
        Suspended = "suspended";
        /// A signature matched; the event and the per-signature counters name it.
        Signature = "signature";
        /// Too many distinct flows (source ports) from one source.
        Flows = "flows";
        /// Too many distinct flows from one /24 or /48.
        FlowsPrefix = "flows-prefix";

        /// REGISTER above the source's rate.
        RateRegister = "rate:register";
        /// INVITE above the source's rate.
        RateInvite = "rate:invite";
        /// OPTIONS above the source's rate.
        RateOptions = "rate:options";
        /// ACK, BYE, CANCEL, PRACK, UPDATE or INFO above the source's rate.
        RateDialog = "rate:dialog";
        /// Any other request or non-SIP payload above the source's rate.
        RateOther = "rate:other";
        /// Responses above the source's rate.
        RateResponse = "rate:response";
        /// Keepalives above the source's rate.
        RateKeepalive = "rate:keepalive";
        /// TCP connection attempts above the source's rate.
        RateConnect = "rate:connect";
        /// TCP or TLS stream segments above the source's rate.
        RateStream = "rate:stream";

        /// Credentials for a nonce that was issued to this address, above the number that one line may try.
        RateCredentials = "rate:credentials";
        /// Credentials for a nonce that was not issued to this address, above the number that one line may try.
        RateNonce = "rate:nonce";
        /// Requests without credentials of a line that never gives any, above one a minute.
        RateAsking = "rate:asking";

        /// REGISTER above the prefix's rate.
        PrefixRateRegister = "prefix-rate:register";
        /// INVITE above the prefix's rate.
        PrefixRateInvite = "prefix-rate:invite";
        /// OPTIONS above the prefix's rate.
        PrefixRateOptions = "prefix-rate:options";
        /// ACK, BYE, CANCEL, PRACK, UPDATE or INFO above the prefix's rate.
        PrefixRateDialog = "prefix-rate:dialog";
        /// Any other request or non-SIP payload above the prefix's rate.
        PrefixRateOther = "prefix-rate:other";
        /// Responses above the prefix's rate.
        PrefixRateResponse = "prefix-rate:response";
        /// Keepalives above the prefix's rate.
        PrefixRateKeepalive = "prefix-rate:keepalive";
        /// TCP connection attempts above the prefix's rate.
        PrefixRateConnect = "prefix-rate:connect";
        /// TCP or TLS stream segments above the prefix's rate.
        PrefixRateStream = "prefix-rate:stream";
    }
}

impl Reason {
    /// True: the packet was for a SIP port. For later fragments that is known only if the first one was dropped.
    #[inline(always)]
    pub const fn is_for_sip(self) -> bool {
        !matches!(self, Self::NotIp | Self::OtherPort | Self::BadIp | Self::Fragment)
    }

    /// The reason with this code, as it stands in a counter's index or in an event.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.name() == name)
    }
}

/// A code that is none unpacks to the reason of a packet that is left alone.
impl Packed for Reason {
    type Word = u32;

    #[inline(always)]
    fn pack(self) -> u32 {
        self as u32
    }

    #[inline(always)]
    fn unpack(word: u32) -> Self {
        let code = word as u8;
        if code as usize >= Self::COUNT {
            return Self::NotIp;
        }
        // SAFETY: codes are `repr(u8)`, from zero on, without gaps, and as many as `COUNT`.
        unsafe { core::mem::transmute::<u8, Self>(code) }
    }
}

/// The kind of traffic that a packet is for the rate limits. One meter per source and class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Class {
    Register,
    Invite,
    Options,
    /// Requests inside a dialog or transaction that was already answered.
    Dialog,
    /// Every other request, and UDP payloads that are no SIP.
    Other,
    Response,
    Keepalive,
    /// TCP SYN.
    Connect,
    /// TCP and TLS segments that do not begin a message.
    Stream,
}

packed_enum!(Class: Register | Invite | Options | Dialog | Other | Response | Keepalive | Connect | Stream, or Other);

impl Class {
    pub const COUNT: usize = 9;
    pub const ALL: [Self; Self::COUNT] = [
        Self::Register,
        Self::Invite,
        Self::Options,
        Self::Dialog,
        Self::Other,
        Self::Response,
        Self::Keepalive,
        Self::Connect,
        Self::Stream,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Invite => "invite",
            Self::Options => "options",
            Self::Dialog => "dialog",
            Self::Other => "other",
            Self::Response => "response",
            Self::Keepalive => "keepalive",
            Self::Connect => "connect",
            Self::Stream => "stream",
        }
    }

    /// This class's element of an array with one per class.
    #[inline(always)]
    pub fn of<T>(self, elements: &[T; Self::COUNT]) -> &T {
        // The compiler knows that a class is below `COUNT` and would drop the check that tells the verifier.
        let index = crate::bytes::opaque(self as usize);
        elements.get(index).unwrap_or(&elements[0])
    }

    #[inline(always)]
    pub const fn over_source_rate(self) -> Reason {
        match self {
            Self::Register => Reason::RateRegister,
            Self::Invite => Reason::RateInvite,
            Self::Options => Reason::RateOptions,
            Self::Dialog => Reason::RateDialog,
            Self::Other => Reason::RateOther,
            Self::Response => Reason::RateResponse,
            Self::Keepalive => Reason::RateKeepalive,
            Self::Connect => Reason::RateConnect,
            Self::Stream => Reason::RateStream,
        }
    }

    #[inline(always)]
    pub const fn over_prefix_rate(self) -> Reason {
        match self {
            Self::Register => Reason::PrefixRateRegister,
            Self::Invite => Reason::PrefixRateInvite,
            Self::Options => Reason::PrefixRateOptions,
            Self::Dialog => Reason::PrefixRateDialog,
            Self::Other => Reason::PrefixRateOther,
            Self::Response => Reason::PrefixRateResponse,
            Self::Keepalive => Reason::PrefixRateKeepalive,
            Self::Connect => Reason::PrefixRateConnect,
            Self::Stream => Reason::PrefixRateStream,
        }
    }
}
