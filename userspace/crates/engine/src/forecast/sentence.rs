//! A forecast in words: `a REGISTER passes: no rule objects; 3 at once, then rate:register`.

use xdp_prog::reason::{Action, Reason};

use super::{Forecast, Headroom};
use sipward_types::time::format_duration;

pub(super) fn sentence(forecast: &Forecast) -> String {
    let fate = match (forecast.action, forecast.enforced) {
        (Action::Pass, _) => "passes",
        (Action::Drop, true) => "drops",
        (Action::Drop, false) => "would drop, but passes in monitor mode",
    };
    let why = match (&forecast.signature, forecast.action) {
        (Some(name), _) => format!("the signature {name} matches"),
        (None, Action::Pass) if forecast.reason != Reason::Trusted => "no rule objects".to_owned(),
        (None, _) => meaning(forecast.reason),
    };
    let limit = match (forecast.room, forecast.again_in) {
        (_, Some(wait)) => format!("; there is room again in {}", format_duration(wait)),
        (Some(Headroom { packets: packets @ 1.., then }), None) => {
            format!("; {packets} at once, then {}", then.name())
        }
        _ => String::new(),
    };
    format!("{} {fate}: {why}{limit}", forecast.kind.subject())
}

/// As the end of a sentence.
fn meaning(reason: Reason) -> String {
    let text = reason.meaning().trim().trim_end_matches('.');
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        // Not the first letter of a name such as REGISTER.
        (Some(first), Some(second)) if !second.is_uppercase() => {
            format!("{}{}", first.to_lowercase(), &text[first.len_utf8()..])
        }
        _ => text.to_owned(),
    }
}
