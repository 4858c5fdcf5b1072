use core::fmt::Debug;

use proptest::prelude::*;

use super::*;
use crate::{
    abi::{Active, Rest},
    account::{End, Header, HeaderKind, LineSteps, ParameterStep, Uri, User},
    charge::{Charge, Limit},
    form,
    frame::Depth,
    guess::{Budget, Guess, GuessCharge, GuessPlan},
    judge::{Asked, Fragment, Outcome, PacketClass, Read, Reported, SourceStatus},
    matcher::RowInSet,
    reason::{Class, Reason},
    segments::Place,
    sip::Kind,
    stream::{Advance, Begin, Search, WalkPlan},
    tap::Passed,
};

fn comes_back<T: Packed + Debug>(value: T) {
    let before = format!("{value:?}");
    assert_eq!(format!("{:?}", T::unpack(value.pack())), before);
}

const KINDS: [Kind; 10] = [
    Kind::Keepalive,
    Kind::Response,
    Kind::Request(Class::Register),
    Kind::Request(Class::Invite),
    Kind::Request(Class::Options),
    Kind::Request(Class::Dialog),
    Kind::Request(Class::Other),
    Kind::UnknownMethod,
    Kind::NotSip,
    Kind::Hidden,
];
const BEGINS: [Begin; 7] = [
    Begin::Request,
    Begin::Response,
    Begin::Carried,
    Begin::CarriedRequest,
    Begin::Datagram,
    Begin::Anywhere,
    Begin::Nowhere,
];
const SEARCHES: [Search; 3] = [Search::Messages, Search::Rest, Search::Signatures];
const CHARGED: [Option<Budget>; 3] = [None, Some(Budget::Issued), Some(Budget::Other)];

#[test]
fn every_variant_comes_back() {
    Reason::ALL.iter().copied().for_each(comes_back);
    Class::ALL.into_iter().for_each(comes_back);
    KINDS.into_iter().for_each(comes_back);
    BEGINS.into_iter().for_each(comes_back);
    SEARCHES.into_iter().for_each(comes_back);
    CHARGED.into_iter().for_each(comes_back);
    (0..7).map(Guess::unpack).for_each(comes_back);
    (0..6).map(Limit::unpack).for_each(comes_back);
    (0..4).map(Rest::unpack).for_each(comes_back);
    (0..6).map(Depth::unpack).for_each(comes_back);
    (0..6).map(Place::unpack).for_each(comes_back);
    (0..4).map(End::unpack).for_each(comes_back);
    (0..6).map(HeaderKind::unpack).for_each(comes_back);
}

#[test]
fn options_are_the_value_plus_one() {
    assert_eq!([None, Some(0_u16), Some(u16::MAX)].map(Packed::pack), [0, 1, 0x1_0000]);
    assert_eq!([0, 1, 0x1_0000].map(Option::<u16>::unpack), [None, Some(0), Some(u16::MAX)]);
}

#[test]
fn an_unknown_number_is_what_harms_least() {
    assert_eq!(Reason::unpack(u32::MAX), Reason::NotIp);
    assert_eq!(Class::unpack(99), Class::Other);
    assert_eq!(Kind::unpack(99), Kind::NotSip);
    assert_eq!(Depth::unpack(99), Depth::BadIp);
    assert_eq!(Place::unpack(99), Place::Unknown);
    assert_eq!(Limit::unpack(99), Limit::None);
    assert_eq!(Guess::unpack(99), Guess::Free);
    assert_eq!(Budget::unpack(99), Budget::Other);
    assert_eq!(Begin::unpack(99), Begin::Anywhere);
    assert_eq!(Search::unpack(99), Search::Signatures);
    assert_eq!(End::unpack(99), End::Token);
    assert_eq!(HeaderKind::unpack(99), HeaderKind::Other);
}

fn reason() -> impl Strategy<Value = Reason> {
    proptest::sample::select(Reason::ALL.to_vec())
}

fn packet_class() -> impl Strategy<Value = PacketClass> {
    let kind = proptest::sample::select(KINDS.to_vec());
    let class = proptest::sample::select(Class::ALL.to_vec());
    (kind, class, reason(), any::<[bool; 3]>()).prop_map(|(kind, class, pass, [opens, message, followed])| {
        PacketClass { kind, class, pass, opens, message, followed }
    })
}

proptest! {
    #[test]
    fn what_is_packed_comes_back(
        (reason, signature, charged) in (reason(), any::<u16>(), proptest::sample::select(CHARGED.to_vec())),
        packet_class in packet_class(),
        begin in proptest::sample::select(BEGINS.to_vec()),
        search in proptest::sample::select(SEARCHES.to_vec()),
        (packets, row, last) in any::<(u32, u16, u8)>(),
        (slot, policy, named, value) in (0_u32..3, 0_u32..3, 0_u32..256, 0_u32..0x1_0000),
        [a, b, c, d] in any::<[bool; 4]>(),
    ) {
        comes_back(packet_class);
        comes_back(Outcome { reason, signature, charged });
        comes_back(Reported { reason, signature, enforced: a });
        comes_back(Fragment { rest: Rest::unpack(slot), fits: a, named });
        comes_back(Passed { reason, known: a, charged });
        comes_back(SourceStatus::Decided(reason));
        comes_back(SourceStatus::Stranger);
        comes_back(SourceStatus::Known { phones: packets });
        comes_back(Read { packet_class, search, named });
        comes_back(Asked { known: a, opens: b, in_dialog: c, credentials: d });
        comes_back(Charge { class: packet_class.class, packets, opens: a });
        comes_back(WalkPlan { begin, search, slot });
        comes_back(GuessPlan { is_rest: a, refuse_names: b, policy });
        comes_back(GuessCharge { budget: Budget::unpack(slot), guesses: value, policy });
        comes_back(RowInSet { row, slot });
        comes_back(Active { policy, signatures: slot });
        comes_back(Advance { row, count: packets, last });
        comes_back(Some(Uri { at: value, bracketed: a }));
        comes_back(Some(User { at: value, is_telephone: a }));
        comes_back(LineSteps { length: value, has_rest: a });
        comes_back(ParameterStep { state: last, read: value });
        comes_back(Header { kind: HeaderKind::Credentials, value });
        if let Some(begin) = form::Begin::of(packet_class.kind, a) {
            comes_back(begin);
        }
    }
}
