//! Why somebody's requests are refused, in words: one table for what the observer sees and for what the edge does.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An enum with a name, a sentence and a remedy for each variant.
macro_rules! causes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $sentence:literal, $remedy:literal;)+) => {
        /// The names are stable: documentation and scripts use them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Cause {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)+
        }

        impl Cause {
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$variant => $sentence,)+
                }
            }

            pub const fn remedy(self) -> &'static str {
                match self {
                    $(Self::$variant => $remedy,)+
                }
            }
        }
    };
}

causes! {
    WrongPassword = "wrong-password",
        "Credentials for a current challenge were refused: the password or the user name is wrong.",
        "Compare user name, authentication name and password of the phone with those of the PBX or, with an edge, of \
         `sipward account`; `sipward check` names HA1s that are of another realm or algorithm.";
    WrongRealm = "wrong-realm",
        "The credentials are for another realm than that of the challenge.",
        "Leave the phone's realm empty or set it to the one of the challenge; look for credentials of another server.";
    ChallengeIgnored = "challenge-ignored",
        "Credentials were asked for, and no request with any came.",
        "Give the phone a password; if it has one, look whether the answers reach it, and whether it knows the \
         algorithms that it is asked for.";
    /// It answers 401 but not 407.
    ProxyChallengeIgnored = "proxy-challenge-ignored",
        "It answers when it is asked with 401, but not when it is asked with 407.",
        "Let the PBX challenge this device with 401 (the edge with `challenge = \"401\"`), or give the phone \
         credentials for its outbound proxy too.";
    AuthLoop = "auth-loop",
        "It sends credentials again and again within seconds, and is asked again each time.",
        "Look for two servers that challenge one after the other, and for a wrong algorithm or realm; then restart the phone.";
    StaleNonces = "stale-nonces",
        "The nonces are refused, not the password: they are too old or were not meant for it.",
        "Look whether PBX nodes share their nonces, whether their clocks agree, and whether nonces live too short; at \
         an edge, whether the phone's address changes all the time, which is a matter of its NAT.";
    RefusedByPbx = "refused-by-pbx",
        "The PBX refused without asking for credentials.",
        "Look into the PBX's access lists and dial plan for this address and account.";
    UnknownAccount = "unknown-account",
        "The PBX says that there is no such account.",
        "Compare the account's name and domain with the PBX.";
    AnswerLost = "answer-lost",
        "The answers of the PBX do not seem to arrive: the same is asked or answered again and again.",
        "Look for a firewall or NAT between: the answers go to the address and port that the requests came from.";
    SipAlg = "sip-alg",
        "Something on the way seems to rewrite the messages (a SIP ALG), and not consistently.",
        "Switch SIP ALG (SIP helper, SIP fixup) off in the router at that address, or use TLS.";
    /// The PBX is too busy or over a limit.
    Rate = "rate",
        "The PBX answered 503: it is too busy, or a limit of its own is reached.",
        "Look at the PBX's load and limits; phones that keep asking make it worse.";
    /// It can be read in more than one way.
    Unclear = "unclear",
        "A message can be read in more than one way, so the edge does not pass it on.",
        "Look at the message with `tcpdump`: a header twice, a length that is wrong, or a byte that SIP does not \
         allow. Phones do not send such messages, but scanners and broken SIP helpers do.";
    NotSip = "not-sip",
        "A connection brought something other than SIP, such as HTTP or TLS, so the edge closed it.",
        "Scanners do that. If a phone is at that address, look whether it speaks TLS to the port for TCP.";
    /// Its credentials cannot be read in one way only.
    Credentials = "unclear-credentials",
        "The credentials are incomplete, repeated, or of two names.",
        "Give the phone one account for this server, and look for a SIP helper on the way.";
    /// Asked for credentials.
    Challenged = "challenged",
        "Credentials were asked for, as of every phone that begins.",
        "Nothing has to be done where the phone goes on.";
    Suspended = "suspended",
        "The account failed too often from there, so the guard has suspended it.",
        "`sipward account show ACCOUNT` says until when; `sipward account unlock ACCOUNT` ends it. Correct the \
         password of the phone first.";
    LockedByGuard = "locked-by-guard",
        "The account is locked, by the guard or by hand.",
        "`sipward account show ACCOUNT` says why and until when; `sipward account unlock ACCOUNT` ends it.";
    AlgorithmNotOffered = "algorithm-not-offered",
        "The phone chose an algorithm that no challenge had.",
        "Add the algorithm to `algorithms` of [edge], or let the phone use one of those.";
    Locked = "locked",
        "The password is right, and the status of the account is locked.",
        "`sipward account set ACCOUNT --status normal` lets it in.";
    Disabled = "disabled",
        "The password is right, and the status of the account is disabled.",
        "`sipward account set ACCOUNT --status normal` lets it in.";
    Expired = "expired",
        "The password is right, and the end of the account has passed.",
        "`sipward account set ACCOUNT --expires never`, or a later date, lets it in.";
    AddressNotAllowed = "address-not-allowed",
        "The password is right, and the account may be used from other addresses only.",
        "`sipward account show ACCOUNT` has the addresses; `sipward account set ACCOUNT --from anywhere`, or other \
         ones, changes them.";
    /// It speaks for another account than its credentials are of.
    OtherAccount = "other-account",
        "The password is right, and the phone speaks for another account than that of its credentials.",
        "Give the phone the same user name and authentication name; From and To carry the one, the credentials the other.";
    /// It claims a dialog that the edge has no part in.
    NoDialog = "no-dialog",
        "A request claims to be part of a call that did not pass through the edge, or has lost its Route.",
        "This is normal for calls from before the edge. If it goes on, look whether something on the way removes Route \
         headers.";
    /// The phone that it is for is not connected any more.
    FlowGone = "flow-gone",
        "The PBX calls a phone whose connection is gone.",
        "The phone comes back when it registers: let it register more often, or over UDP.";
    PbxUnreachable = "pbx-unreachable",
        "The edge has no connection to the PBX.",
        "Look whether the PBX runs, and listens over TCP at `pbx` of [edge]: `ss -lntp` on its host.";
    /// Not from the PBX, on the PBX's side.
    NotThePbx = "not-the-pbx",
        "A packet to `inner` of [edge] came from another address than that of `pbx`.",
        "If this is the PBX, correct `pbx` of [edge]; if not, let a firewall keep others away from `inner`.";
    /// An answer to a request that the edge has not sent on.
    StrayAnswer = "stray-answer",
        "An answer came to a request that the edge did not send on.",
        "Nothing has to be done for single ones, such as after the keys of the edge were removed.";
    TooManyHops = "too-many-hops",
        "A request has passed through too many servers (Max-Forwards).",
        "Look whether `pbx` of [edge], or the dial plan of the PBX, leads back to the edge.";
    Loop = "loop",
        "A request came back to the edge that it had sent on.",
        "Look whether `pbx` of [edge], or the dial plan of the PBX, leads back to the edge.";
    UnknownExtension = "unknown-extension",
        "Proxy-Require names an option, and the edge knows none.",
        "Switch that option off in the phone.";
    UnsupportedScheme = "unsupported-scheme",
        "The Request-URI is not of `sip:`, `sips:`, `tel:` or `urn:`.",
        "Let the phone call numbers and SIP addresses only.";
    NoRoute = "no-route",
        "The PBX calls an address that the edge did not give it.",
        "Switch `rewrite_contact`, and NAT helpers, off in the PBX: they replace the Contact that the edge has written.";
    NoListener = "no-listener",
        "The edge has no socket of that transport on the other side.",
        "Add one to `listen` of [edge].";
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_cause_has_a_name_of_its_own_a_sentence_and_a_remedy() {
        let names: HashSet<_> = Cause::ALL.map(Cause::name).into_iter().collect();
        assert_eq!(names.len(), Cause::ALL.len());
        for (place, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, place, "{cause:?}");
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.name());
            for text in [cause.sentence(), cause.remedy()] {
                assert!(text.ends_with('.') && !text.contains("  "), "{cause}: {text}");
            }
        }
    }
}
