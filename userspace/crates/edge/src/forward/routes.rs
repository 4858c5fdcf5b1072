//! Route and Record-Route: the edge's own are taken out, and put in again.

use std::ops::Range;

use sipward_sip::{Pieces, Uri};

use super::{Forwarder, edits::Edits, settings::Listener};
use crate::{
    link::Side,
    message::{Header, Message},
};

/// The way of a request, as its Request-URI and its Routes say.
pub(super) struct Routing<'a> {
    /// The edge's own ones, Request-URI included where a strict router has put one there.
    own: Vec<Uri<'a>>,
    /// The URI that a strict router has moved behind the Routes (RFC 3261 §16.4).
    pub(super) target: Option<&'a [u8]>,
    /// The Routes that stay.
    kept: Range<usize>,
    count: usize,
}

impl<'a> Routing<'a> {
    pub(super) fn tokens(&self) -> impl Iterator<Item = &'a [u8]> {
        self.own.iter().map(|uri| uri.user).filter(|user| !user.is_empty())
    }

    pub(super) fn apply(&self, request: &Message<'a>, edits: &mut Edits<'_, 'a>) {
        if let (Some(target), Some(uri)) = (self.target, request.uri()) {
            edits.replace(uri, target);
        }
        if self.kept != (0..self.count) {
            edits.keep_values(Header::Route, self.kept.clone());
        }
    }
}

impl Forwarder {
    /// The Routes at the top that are the edge's own are done with. Others are somebody else's business, and so are those of
    /// another pass through the edge, when a PBX connects two phones by sending the request on: where two passes meet, two
    /// Routes of the same side do.
    pub(super) fn routing<'a>(&self, request: &Message<'a>) -> Routing<'a> {
        let routes: Vec<_> =
            request.listed(Header::Route).map(|route| (route.uri(), route.address())).collect();
        let mut routing =
            Routing { own: Vec::new(), target: None, kept: 0..routes.len(), count: routes.len() };
        let mut next_side = None;
        let uri = request.uri().unwrap_or_default();
        if let (Some((last, own)), true) = (routes.last(), has_parameter(uri, b"lr")) {
            let address = Uri::parse(uri);
            let side = self.settings.side_of_uri(&address);
            if let (Some(side), None) = (side, self.settings.side_of_uri(own)) {
                routing.own.push(address);
                routing.target = Some(last);
                routing.kept.end -= 1;
                next_side = Some(other(side));
            }
        }
        for (_, address) in &routes[routing.kept.clone()] {
            let Some(side) = self.settings.side_of_uri(address) else { break };
            if next_side.is_some_and(|next| side != next) {
                break;
            }
            next_side = Some(other(side));
            routing.own.push(*address);
            routing.kept.start += 1;
        }
        routing
    }

    /// For requests that begin a dialog: both sides of the edge, so that each end reaches it by an address that it knows.
    /// The inner one has the token that knows the phone.
    pub(super) fn record_route(token: &str, (outer, inner): (&Listener, &Listener), towards: Side) -> String {
        let inner = format!("<sip:{token}@{};lr>", inner.uri_host());
        let outer = format!("<sip:{};lr>", outer.uri_host());
        match towards {
            Side::Inner => format!("Record-Route: {inner},{outer}"),
            Side::Outer => format!("Record-Route: {outer},{inner}"),
        }
    }
}

const fn other(side: Side) -> Side {
    match side {
        Side::Outer => Side::Inner,
        Side::Inner => Side::Outer,
    }
}

fn has_parameter(uri: &[u8], name: &[u8]) -> bool {
    Pieces::new(uri, b';', false).skip(1).any(|piece| piece.eq_ignore_ascii_case(name))
}
