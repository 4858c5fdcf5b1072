//! A model of the lists: the states that are possible for each source, given the answers so far.

use std::{
    collections::BTreeMap,
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use sipward_types::list_entry::ListKind::{self, Banned, Trusted};

use crate::lists::{Line, ShownLists};

/// For so many seconds, or for ever.
type Lasts = Option<u64>;

/// A command for a source.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    Trust(Lasts),
    Ban(Lasts),
    Untrust,
    Unban,
}

#[derive(Debug)]
pub(crate) enum Answer {
    /// The change was made. An entry that it made lasts as long.
    Done(Lasts),
    Refused,
    /// None, and why.
    None(String),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(None) => f.write_str("done"),
            Self::Done(Some(seconds)) => write!(f, "done, for {seconds} s"),
            Self::Refused => f.write_str("refused"),
            Self::None(why) => f.write_str(why),
        }
    }
}

/// The entry of a source. Its end lies between these times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Listed(ListKind, Option<Span>),
}

/// Milliseconds since 1970.
type Span = (u64, u64);

/// The possible entries of a source, and the deeds that led to them.
#[derive(Debug)]
struct Source {
    possible: Vec<Said>,
    history: Vec<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    sources: BTreeMap<String, Source>,
    pub(crate) done: usize,
    pub(crate) refused: usize,
    pub(crate) unanswered: usize,
}

impl Model {
    /// Records the answer to a deed with its time span.
    pub(crate) fn note(&mut self, source: &str, deed: Deed, answer: &Answer, during: Span) {
        let source = self.sources.entry(source.to_owned()).or_insert_with(Source::unheard_of);
        source.history.push(format!("{deed:?} in {during:?}: {answer}"));
        match answer {
            Answer::Done(lasts) => {
                self.done += 1;
                source.done(deed, *lasts, during);
            }
            Answer::Refused => {
                self.refused += 1;
                source.expect(|said| said.refuses(deed));
            }
            Answer::None(_) => {
                self.unanswered += 1;
                let more: Vec<_> = source.possible.iter().map(|said| said.after(deed, during)).collect();
                source.possible.extend(more);
            }
        }
    }

    /// That these lists are possible, and from now on what is said.
    pub(crate) fn check(&mut self, lists: &ShownLists) {
        let unheard_of: Vec<_> = lists.keys().filter(|source| !self.sources.contains_key(*source)).collect();
        assert!(unheard_of.is_empty(), "nobody has ever said anything of {unheard_of:?}");
        for (name, source) in &mut self.sources {
            let found = lists.get(name);
            source.history.push(format!("found {found:?}"));
            source.expect(|said| said.is(found));
            source.possible.retain(|said| said.is(found));
            source.possible.dedup();
        }
    }
}

impl Source {
    fn unheard_of() -> Self {
        Self { possible: vec![Said::Nothing], history: Vec::new() }
    }

    fn done(&mut self, deed: Deed, lasts: Lasts, during: Span) {
        self.expect(|said| !said.refuses(deed));
        let until = lasts.map(|lasts| (during.0 + lasts.saturating_sub(1) * 1_000, during.1 + lasts * 1_000));
        self.possible = vec![match deed {
            Deed::Trust(asked) => {
                assert_eq!(lasts, asked, "{self:#?}");
                Said::Listed(Trusted, until)
            }
            Deed::Ban(asked) => {
                assert!(lasts.is_none_or(|lasts| asked.is_some_and(|asked| lasts >= asked)), "{self:#?}");
                Said::Listed(Banned, until)
            }
            Deed::Untrust | Deed::Unban => Said::Nothing,
        }];
    }

    fn expect(&self, is_so: impl Fn(&Said) -> bool) {
        assert!(self.possible.iter().any(is_so), "cannot be: {self:#?}");
    }
}

impl Said {
    const fn standing(self) -> Option<ListKind> {
        match self {
            Self::Nothing => None,
            Self::Listed(standing, _) => Some(standing),
        }
    }

    fn refuses(self, deed: Deed) -> bool {
        match deed {
            Deed::Trust(_) => false,
            Deed::Ban(_) => self.standing() == Some(Trusted),
            Deed::Untrust => self.standing() != Some(Trusted),
            Deed::Unban => self.standing() != Some(Banned),
        }
    }

    fn after(self, deed: Deed, (begun, ended): Span) -> Self {
        if self.refuses(deed) {
            return self;
        }
        let end = |lasts: Lasts| lasts.map(|lasts| (begun + lasts * 1_000, ended + lasts * 1_000));
        match (deed, self) {
            (Deed::Trust(lasts), _) => Self::Listed(Trusted, end(lasts)),
            (Deed::Ban(lasts), Self::Listed(Banned, before)) => {
                let later = |(a, b): (Span, Span)| (a.0.max(b.0), a.1.max(b.1));
                Self::Listed(Banned, before.zip(end(lasts)).map(later))
            }
            (Deed::Ban(lasts), _) => Self::Listed(Banned, end(lasts)),
            (Deed::Untrust | Deed::Unban, _) => Self::Nothing,
        }
    }

    /// Lists round to seconds.
    fn is(self, found: Option<&Line>) -> bool {
        match (self, found) {
            (Self::Nothing, None) => true,
            (Self::Listed(standing, None), Some((found, None))) => standing == *found,
            (Self::Listed(standing, Some((first, last))), Some((found, Some(until)))) => {
                standing == *found && (first.saturating_sub(1_000)..=last + 1_000).contains(&(until * 1_000))
            }
            _ => false,
        }
    }
}

/// Milliseconds since 1970.
pub(crate) fn wall() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_millis() as u64
}
