//! What was seen, judged; and what follows, put in force, saved and told.

use std::{collections::BTreeSet, fmt, net::IpAddr};

use ipnet::IpNet;

use super::{
    Office,
    flows::KnownFlow,
    lists::seconds,
    memory::Shelf,
    settings::Settings,
    ward::{Ward, suspect, suspect_of},
};
use crate::{
    address::{canonical, show},
    control::protocol::{Origin, Refusal, item::Decided},
    guard::{self, Account, Because, Decision, Evidence, Guard, Held, Order, Rule, Scope, What},
    kernel::{self, Suspect, remaining},
    lifeline::{self, Lifeline},
    precedence::{Standing, single},
    roster::{Banning, Roster},
    store::{Change, Entry, GUARD, Known, StoreError, Suspended, Suspension},
    wall::Clock,
};

/// Whoever wants to know what is decided.
pub type Listener = Box<dyn Fn(Decided) + Send>;

/// The guard, and what is in force by it.
pub(super) struct Guarding {
    pub(super) guard: Guard,
    pub(super) ward: Ward,
    listener: Option<Listener>,
    pub(super) memory: Shelf,
}

impl fmt::Debug for Guarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarding").field("ward", &self.ward).finish_non_exhaustive()
    }
}

impl Guarding {
    /// One that goes on where the last one ended.
    pub(super) fn new(settings: guard::Settings, ward: Ward, now: u64) -> Self {
        let mut guard = Guard::new(settings);
        guard.restore(now, held(&ward, now));
        Self { guard, ward, listener: None, memory: Shelf::default() }
    }

    fn tell(&self, decided: Decided) {
        if let Some(listener) = &self.listener {
            listener(decided);
        }
    }
}

fn held(ward: &Ward, now: u64) -> Vec<Held> {
    let suspended = ward.suspensions(now).filter_map(|suspension| {
        let Suspension { what, source, until, because, .. } = suspension.clone();
        match (what, source) {
            (Suspended::Account(account), Some(source)) => {
                Some(Held::Suspended { account, source, until, because })
            }
            (Suspended::Account(account), None) => Some(Held::Locked { account, until, because }),
            // A flow's ban and a line's limit end by themselves; of a hash it is not known whose it is.
            (Suspended::Flow(_) | Suspended::Asking | Suspended::Hash(_), _) => None,
        }
    });
    let known = ward.known(now).map(|known| {
        let Known { source, phones, until, .. } = *known;
        Held::Known { source, phones, until }
    });
    let flows = ward.flows.all(now).map(|(source, flow, KnownFlow { phones, until })| Held::KnownFlow {
        source,
        flow,
        phones,
        until,
    });
    suspended.chain(known).chain(flows).collect()
}

/// What is to be saved of a decision that is in force.
#[derive(Clone, Debug)]
enum Done {
    Suspended(Suspension),
    Lifted(Suspended, Option<IpAddr>),
    Banned(Entry),
    Known(Known),
    Forgotten(IpAddr),
    /// For the audit trail.
    Noted {
        what: &'static str,
        target: String,
        detail: String,
    },
}

impl Done {
    fn save(&self, who: &str, change: &mut Change<'_>, clock: &Clock) -> Result<(), StoreError> {
        match self {
            Self::Suspended(suspension) => change.suspend(suspension, clock),
            Self::Lifted(what, source) => change.lift(what, *source).map(drop),
            Self::Banned(entry) => change.put(entry, clock),
            Self::Known(known) => change.know(known, clock),
            Self::Forgotten(source) => change.forget(*source).map(drop),
            Self::Noted { what, target, detail } => change.audit(who, what, target, detail, clock),
        }
    }
}

/// Decisions that are put in force and saved together.
struct Batch<'a> {
    clock: Clock,
    who: &'a str,
    /// Of whoever gave the order.
    note: Option<&'a str>,
    trusted: BTreeSet<IpAddr>,
    done: Vec<Done>,
    /// Not put in force.
    refused: Vec<Decision>,
    /// Looked up once somebody is to be banned.
    lifelines: Option<Vec<Lifeline>>,
}

impl Office {
    /// Whom to tell what is decided.
    pub fn listen(&mut self, listener: Listener) {
        self.guarding.listener = Some(listener);
    }

    pub(super) fn stop_listening(&mut self) -> Option<Listener> {
        self.guarding.listener.take()
    }

    /// From now on by these settings. What has been decided stays as it is.
    pub(super) fn set_guard(&mut self, settings: &Settings) -> Result<(), Refusal> {
        let passes = settings.keep_passes(&mut self.vault);
        let Guarding { guard, ward, .. } = &mut self.guarding;
        guard.set(settings.resolved.guard.settings);
        if ward.set_passes(passes) {
            ward.mirror(&mut self.tables, kernel::now())?;
        }
        Ok(())
    }

    /// Judges what was seen. What follows is in force when this returns, and saved; or why not.
    pub fn witness(&mut self, evidence: &[Evidence]) -> Result<Result<(), String>, Refusal> {
        let enforces = self.tables.policy()?.is_some_and(|policy| policy.enforce != 0);
        let drops = enforces && !self.guarding.ward.passes();
        self.guarding.guard.set_drops(drops, kernel::now());
        let mut decisions = Vec::new();
        for evidence in evidence {
            decisions.extend(self.guarding.guard.witness(evidence));
        }
        let result = self.carry_out(decisions, &[], GUARD, None);
        self.mirror_guesses()?;
        result
    }

    /// So many packets were not seen that may have shown who works.
    pub fn missed(&mut self, count: u64) -> Result<Result<(), String>, Refusal> {
        let alert = self.guarding.guard.missed(kernel::now(), count);
        self.carry_out(alert.into_iter().collect(), &[], GUARD, None)
    }

    /// Has end what is over.
    pub fn tick(&mut self) -> Result<Result<(), String>, Refusal> {
        let now = kernel::now();
        let decisions = self.guarding.guard.tick(now);
        let result = self.carry_out(decisions, &[], GUARD, None);
        self.guarding.ward.tick(&mut self.tables, now)?;
        self.expire_guesses(now)?;
        result
    }

    /// What a command would lift: also what the guard does not know the name of, and bans of flows.
    pub(super) fn lifted(&self, order: &Order, now: u64) -> Vec<Suspect> {
        self.guarding
            .ward
            .suspensions(now)
            .filter(|suspension| lifts(order, suspension))
            .map(suspect)
            .collect()
    }

    /// What follows from a command; whether it is saved, or why not.
    pub(super) fn order(
        &mut self,
        order: &Order,
        who: &str,
        note: Option<&str>,
    ) -> Result<Result<(), String>, Refusal> {
        let now = kernel::now();
        // A fault is told of the store.
        let _ = self.recall();
        let decisions = self.guarding.guard.order(order, now);
        let lifted = self.lifted(order, now);
        let saved = self.carry_out(decisions, &lifted, who, note)?;
        // What is forgiven stays so, however soon the next restart is.
        Ok(saved.and(self.keep_memory()))
    }

    /// The lists have changed there, so that who is known counts again, or does not.
    pub(super) fn know_again(&mut self, nets: &[IpNet]) -> Result<(), Refusal> {
        let sources = nets.iter().filter_map(|net| single(*net));
        Ok(self.guarding.ward.know_again(&mut self.tables, sources, kernel::now())?)
    }

    /// On an error, what could be done is done and saved all the same.
    fn carry_out(
        &mut self,
        decisions: Vec<Decision>,
        lifted: &[Suspect],
        who: &str,
        note: Option<&str>,
    ) -> Result<Result<(), String>, Refusal> {
        let clock = Clock::read();
        let trusted = self.trusted_of(&decisions, &clock)?;
        let mut batch =
            Batch { clock, who, note, trusted, done: Vec::new(), refused: Vec::new(), lifelines: None };
        let mut result = Ok(());
        for decision in decisions {
            result = result.and(self.apply(&decision, &mut batch));
        }
        for decision in std::mem::take(&mut batch.refused) {
            self.guarding.guard.refused(&decision);
        }
        for suspect in lifted {
            let because = Because { rule: Rule::Hand, count: 0, seconds: 0 };
            result = result.and(self.lift(*suspect, because, &mut batch));
        }
        let saved = self.save_batch(batch)?;
        result.map(|()| saved)
    }

    /// Of those that are to be suspended. Asked once, as it takes a look at all prefixes.
    fn trusted_of(&mut self, decisions: &[Decision], clock: &Clock) -> Result<BTreeSet<IpAddr>, Refusal> {
        let source = |decision: &Decision| match decision.what {
            What::Suspend { source, .. } | What::Ban { scope: Scope::Flow { source, .. }, .. } => {
                Some(source)
            }
            _ => None,
        };
        let sources: BTreeSet<_> = decisions.iter().filter_map(source).collect();
        let mut trusted = BTreeSet::new();
        if !sources.is_empty() {
            let mut roster = self.roster(clock)?;
            for source in sources {
                if roster.trusts(source)? {
                    trusted.insert(source);
                }
            }
        }
        Ok(trusted)
    }

    fn apply(&mut self, decision: &Decision, batch: &mut Batch<'_>) -> Result<(), Refusal> {
        let because = decision.because;
        let is_in_force = match decision.what.clone() {
            What::Suspend { account, source, until } => {
                self.suspend(Suspended::Account(account), Some(source), until, because, batch)
            }
            What::Lock { account, until } => {
                self.suspend(Suspended::Account(account), None, until, because, batch)
            }
            What::Lift { account, source } => {
                return self.lift(Suspect::account(source, &account), because, batch);
            }
            What::Ban { scope: Scope::Flow { source, flow }, until } => {
                self.suspend(Suspended::Flow(flow), Some(source), until, because, batch)
            }
            What::LimitAsking { source, until } => {
                self.suspend(Suspended::Asking, Some(source), until, because, batch)
            }
            What::Ban { scope: Scope::Source { source }, until } => {
                self.ban_for(source.into(), until, because, batch)
            }
            What::Ban { scope: Scope::Prefix { net }, until } => self.ban_for(net, until, because, batch),
            known @ (What::Know { .. }
            | What::Forget { .. }
            | What::KnowFlow { .. }
            | What::ForgetFlow { .. }) => return self.know(known, because, batch),
            What::Alert { source, account } => {
                let note = (because.rule == Rule::Missed).then(|| MISSED.to_owned());
                let said = Said { account: account.map(String::from), source, note, ..Said::of("alert") };
                self.say(said, because, None, batch);
                return Ok(());
            }
        };
        if is_in_force? {
            self.guarding.guard.in_force(decision, kernel::now());
        } else {
            batch.refused.push(decision.clone());
        }
        Ok(())
    }

    fn know(&mut self, what: What, because: Because, batch: &mut Batch<'_>) -> Result<(), Refusal> {
        match what {
            What::Know { source, phones, until } => {
                let since = batch.clock.wall_ms;
                let known = Known { source, phones, until, since, rule: because.rule };
                self.guarding.ward.know(&mut self.tables, known.clone())?;
                batch.done.push(Done::Known(known));
                Ok(())
            }
            What::Forget { source } => {
                if self.guarding.ward.forget(&mut self.tables, source)? {
                    batch.done.push(Done::Forgotten(source));
                }
                Ok(())
            }
            What::KnowFlow { source, flow, phones, until } => {
                let known = KnownFlow { phones, until };
                Ok(self.guarding.ward.flows.know(&mut self.tables, source, flow, known)?)
            }
            What::ForgetFlow { source, flow } => {
                Ok(self.guarding.ward.flows.forget(&mut self.tables, source, flow)?)
            }
            _ => Ok(()),
        }
    }

    /// False: the source may not be touched.
    fn suspend(
        &mut self,
        what: Suspended,
        source: Option<IpAddr>,
        until: u64,
        because: Because,
        batch: &mut Batch<'_>,
    ) -> Result<bool, Refusal> {
        if source.is_some_and(|source| batch.trusted.contains(&source)) {
            // It was trusted after it was seen.
            return Ok(false);
        }
        let suspension = Suspension {
            what,
            source,
            until,
            since: batch.clock.wall_ms,
            who: batch.who.to_owned(),
            because,
            strict: because.rule == Rule::Hand,
        };
        let (suspension, gone) =
            self.guarding.ward.suspend(&mut self.tables, suspension, batch.clock.kernel)?;
        for gone in gone {
            batch.done.push(Done::Lifted(gone.what.clone(), gone.source));
            if suspect(&gone) != suspect(&suspension) {
                let note = "there is no room for more suspensions".to_owned();
                self.say(
                    Said { note: Some(note), ..Said::about("lifted", &gone) },
                    gone.because,
                    None,
                    batch,
                );
            }
        }
        let (said, until) = (Said::about(Said::name(&suspension), &suspension), suspension.until);
        self.say(said, because, Some(until), batch);
        batch.done.push(Done::Suspended(suspension));
        Ok(true)
    }

    fn lift(&mut self, suspect: Suspect, because: Because, batch: &mut Batch<'_>) -> Result<(), Refusal> {
        if let Some(lifted) = self.guarding.ward.lift(&mut self.tables, suspect)? {
            self.say(Said::about("lifted", &lifted), because, None, batch);
            batch.done.push(Done::Lifted(lifted.what, lifted.source));
        }
        Ok(())
    }

    /// Bans a source or a prefix, unless this host or somebody here could not do without it: then it says false.
    fn ban_for(
        &mut self,
        net: IpNet,
        until: u64,
        because: Because,
        batch: &mut Batch<'_>,
    ) -> Result<bool, Refusal> {
        let net = canonical(net);
        let danger = lifeline::danger(net, batch.lifelines.get_or_insert_with(|| lifeline::all(None)));
        let said = Said { source: Some(net), ..Said::of("banned") };
        if let Some(danger) = danger {
            let note = format!("it {danger}, and so it is not banned");
            self.say(Said { decision: "alert", note: Some(note), ..said }, because, None, batch);
            return Ok(false);
        }
        if self.vault.configured(net).is_some() {
            return Ok(false);
        }
        let mut roster = Roster::open(&mut self.tables, batch.clock.kernel)?;
        let before = roster.get(net)?;
        let Banning::Done { until, .. } = roster.ban(net, until)? else { return Ok(false) };
        let before = before.map(|claim| self.entry(net, claim, &batch.clock));
        self.know_again(&[net])?;
        let (since, note) = before.map_or((batch.clock.wall_ms, None), |before| (before.since, before.note));
        let evidence = Some(counted(because));
        let (standing, origin) = (Standing::Banned, Origin::Guard);
        batch.done.push(Done::Banned(Entry { net, standing, until, since, origin, note, evidence }));
        self.say(said, because, Some(until), batch);
        Ok(true)
    }

    /// Tells whoever listens, and the audit trail unless it is nothing but the end that was known before.
    fn say(&self, said: Said, because: Because, until: Option<u64>, batch: &mut Batch<'_>) {
        let said = Said { note: said.note.or_else(|| batch.note.map(str::to_owned)), ..said };
        let clock = &batch.clock;
        let decided = said.decided(because, until, batch.who, clock);
        if because.rule != Rule::Expired {
            batch.done.push(Done::Noted {
                what: said.decision,
                target: said.target(),
                detail: said.detail(because, until, clock),
            });
        }
        self.guarding.tell(decided);
    }

    /// In one transaction. What is not in the store is marked as such.
    fn save_batch(&mut self, batch: Batch<'_>) -> Result<Result<(), String>, Refusal> {
        if batch.done.is_empty() {
            return Ok(Ok(()));
        }
        let (who, done) = (batch.who.to_owned(), batch.done.clone());
        let saved = self.vault.change_now_or_later(move |change, clock| {
            done.iter().try_for_each(|done| done.save(&who, change, clock))
        });
        if saved.is_err() {
            self.mark(&batch)?;
        }
        Ok(saved)
    }

    fn mark(&mut self, batch: &Batch<'_>) -> Result<(), Refusal> {
        let ward = &mut self.guarding.ward;
        let mut suspects = Vec::new();
        for done in &batch.done {
            match done {
                Done::Suspended(suspension) => suspects.push(suspect(suspension)),
                Done::Lifted(what, source) => suspects.push(suspect_of(what, *source)),
                Done::Known(Known { source, .. }) | Done::Forgotten(source) => {
                    ward.mark_known_unsaved(*source);
                }
                Done::Banned(_) | Done::Noted { .. } => {}
            }
        }
        ward.mark_unsaved(&mut self.tables, &suspects)?;
        let mut roster = Roster::open(&mut self.tables, batch.clock.kernel)?;
        for done in &batch.done {
            if let Done::Banned(entry) = done {
                roster.mark_unsaved(entry.net)?;
            }
        }
        Ok(())
    }
}

fn lifts(order: &Order, suspension: &Suspension) -> bool {
    match order {
        Order::Lock { .. } => false,
        Order::Unlock { account } => matches_account(suspension, account),
        Order::UnlockAt { account, source } => {
            suspension.source == Some(*source) && matches_account(suspension, account)
        }
        Order::Pardon { net } => suspension.source.is_some_and(|source| net.contains(&source)),
    }
}

/// Be it by a hash.
pub(super) fn matches_account(suspension: &Suspension, account: &Account) -> bool {
    suspect(suspension).what == Suspect::account(None, account).what
}

/// What is told of a decision.
#[derive(Clone, Debug)]
struct Said {
    decision: &'static str,
    account: Option<String>,
    source: Option<IpNet>,
    flow: Option<String>,
    note: Option<String>,
}

impl Said {
    const fn of(decision: &'static str) -> Self {
        Self { decision, account: None, source: None, flow: None, note: None }
    }

    fn about(decision: &'static str, suspension: &Suspension) -> Self {
        let name = Some(suspension.what.to_string());
        let (account, flow) = match suspension.what {
            Suspended::Flow(_) | Suspended::Asking => (None, name),
            Suspended::Account(_) | Suspended::Hash(_) => (name, None),
        };
        Self { account, flow, source: suspension.source.map(IpNet::from), ..Self::of(decision) }
    }

    const fn name(suspension: &Suspension) -> &'static str {
        match (&suspension.what, suspension.source) {
            (Suspended::Flow(_), _) => "banned",
            (Suspended::Asking, _) => "limited",
            (_, Some(_)) => "suspended",
            (_, None) => "locked",
        }
    }

    /// For the audit trail: an address or prefix stands last.
    fn target(&self) -> String {
        let what = self.account.as_deref().or(self.flow.as_deref());
        match (what, self.source.map(show)) {
            (Some(what), Some(source)) => format!("{what} from {source}"),
            (None, Some(source)) => source,
            (what, None) => what.unwrap_or_default().to_owned(),
        }
    }

    fn detail(&self, because: Because, until: Option<u64>, clock: &Clock) -> String {
        let lasts = until.map(|until| remaining(clock.kernel, until).to_string());
        let words = lasts.into_iter().chain([counted(because)]).chain(self.note.clone());
        words.collect::<Vec<_>>().join(", ")
    }

    fn decided(&self, because: Because, until: Option<u64>, who: &str, clock: &Clock) -> Decided {
        let Self { decision, account, source, flow, note } = self.clone();
        let Because { rule, count, seconds: within } = because;
        Decided {
            ts: clock.wall_ms as f64 / 1e3,
            decision: decision.to_owned(),
            account,
            source: source.map(show),
            flow,
            expires_in: until.and_then(|until| seconds(remaining(clock.kernel, until))),
            rule: rule.to_string(),
            count,
            seconds: within,
            who: who.to_owned(),
            note,
        }
    }
}

/// What to do where packets are not seen.
const MISSED: &str = "so many packets of the PBX, or of known sources, went by unseen: until it ends, no nonce proves \
    anything over UDP, so that nobody is suspended or banned for what comes that way, and who is known stays so. \
    `sipward status` says what was not seen and `sipward top` who sends most: ban who floods, or give sipward more CPU";

/// `many-accounts: 12 in 40s`
fn counted(because: Because) -> String {
    let Because { rule, count, seconds } = because;
    if count == 0 { rule.to_string() } else { format!("{rule}: {count} in {seconds}s") }
}
