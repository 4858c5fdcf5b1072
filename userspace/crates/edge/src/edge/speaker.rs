//! The name by which the sender of a request goes.

use crate::{forward::DialogPhone, message::Message};

/// The sender may call itself what it does. In a dialog it has the name that it began with: a phone that was called need
/// not be named by its account.
pub(super) fn may_speak(
    request: &Message<'_>,
    method: &[u8],
    account: &str,
    dialog: Option<DialogPhone>,
) -> bool {
    let (speaker, from) = (own_name(request, method), request.from().uri.user);
    (speaker == account.as_bytes() && from == account.as_bytes())
        || (method != b"REGISTER" && hides_its_name(request))
        || dialog.is_some_and(|dialog| dialog.is_named)
}

/// The name of somebody who does not want to be known (RFC 3323 §4.1.1.3). The PBX has the account in a header.
fn hides_its_name(request: &Message<'_>) -> bool {
    let from = request.from().uri;
    from.user.eq_ignore_ascii_case(b"anonymous") && from.host.eq_ignore_ascii_case(b"anonymous.invalid")
}

/// The one that a request is from: of a REGISTER, the one that is registered.
pub(super) fn own_name<'a>(request: &Message<'a>, method: &[u8]) -> &'a [u8] {
    if method == b"REGISTER" { request.to().uri.user } else { request.from().uri.user }
}
