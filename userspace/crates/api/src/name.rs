//! Verdicts, decisions and states by their names in answers and events.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An enum whose `Display` is its name in JSON, for tables.
macro_rules! names {
    ($(#[$doc:meta])* $enum:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $enum {
            $($(#[$variant_doc])* #[serde(rename = $name)] $variant,)+
        }

        impl $enum {
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        impl fmt::Display for $enum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

names! {
    /// The filter's answer to a packet.
    PacketVerdict {
        Pass = "pass",
        Drop = "drop",
        /// Monitor mode counts the packet and passes it.
        WouldDrop = "would-drop",
    }
}

impl PacketVerdict {
    /// The verdict on a packet that a rule objects to.
    pub const fn of_objection(enforced: bool) -> Self {
        if enforced { Self::Drop } else { Self::WouldDrop }
    }
}

names! {
    FilterMode {
        Monitor = "monitor",
        Enforce = "enforce",
    }
}

impl FilterMode {
    pub const fn of(enforce: bool) -> Self {
        if enforce { Self::Enforce } else { Self::Monitor }
    }
}

names! {
    /// The effect of a rule.
    RuleAction {
        Drop = "drop",
        /// The rule only counts.
        Monitor = "monitor",
        /// The daemon switched the rule off because of its false positives.
        Off = "off",
    }
}

names! {
    /// The class that decides how the filter treats an address.
    SourceClass {
        Trusted = "trusted",
        Banned = "banned",
        Known = "known",
        Stranger = "stranger",
    }
}

names! {
    /// The kind of a decision in events.
    DecisionName {
        Suspended = "suspended",
        Locked = "locked",
        Limited = "limited",
        Lifted = "lifted",
        Banned = "banned",
        Alert = "alert",
        /// A rule hit sources that authenticated later.
        Flagged = "flagged",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_form_in_json() {
        assert_eq!(serde_json::to_value(PacketVerdict::WouldDrop).unwrap(), "would-drop");
        assert_eq!(serde_json::from_str::<SourceClass>("\"stranger\"").unwrap(), SourceClass::Stranger);
        assert_eq!(format!("[{:<8}]", RuleAction::Off), "[off     ]");
    }
}
