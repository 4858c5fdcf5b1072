//! The subscription to what is in force.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    sync::broadcast::{self, error::RecvError},
    time::sleep,
};

use super::{controller_handle::ControllerHandle, unanswered::Unanswered};
use crate::{
    caller::Who,
    control::Answers,
    controller::{Controller, ControllerEvent},
    locked::locked,
    refusal::Refusal,
    wire::{self, InForceChange},
};
use sipward_api::in_force::InForce;
use sipward_kernel::clock::now;
use sipward_types::{account::Account, time::KernelTime};

/// Changes that a subscriber may lag behind before all that is in force is sent again.
const BACKLOG: usize = 4_096;
/// Before that, so that one that always lags does not keep the controller busy.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(super) struct InForceFeed {
    steps: broadcast::Sender<Step>,
    sent: Arc<Mutex<SentWorked>>,
    subscribers: Arc<Mutex<Subscribers>>,
}

#[derive(Clone, Debug)]
enum Step {
    Change(Arc<InForceChange>),
    /// All that is in force is to be sent again.
    Anew,
}

impl Default for InForceFeed {
    fn default() -> Self {
        Self { steps: broadcast::channel(BACKLOG).0, sent: Arc::default(), subscribers: Arc::default() }
    }
}

impl InForceFeed {
    pub(super) fn emit(&self, event: ControllerEvent<'_>) {
        if self.steps.receiver_count() == 0 {
            locked(&self.sent).0.clear();
            return;
        }
        match event {
            ControllerEvent::Decided { facts, .. } => {
                InForceChange::of_decision(facts).into_iter().for_each(|change| self.send(change));
            }
            ControllerEvent::Changed(changes) => {
                let changes = changes.into_iter().filter(|change| locked(&self.sent).is_news(change));
                changes.for_each(|change| self.send(change));
            }
            ControllerEvent::ChangedAltogether => {
                locked(&self.sent).0.clear();
                // The last subscriber may be gone by now.
                let _ = self.steps.send(Step::Anew);
            }
        }
    }

    fn send(&self, change: InForceChange) {
        // As above.
        let _ = self.steps.send(Step::Change(Arc::new(change)));
    }

    fn subscribe(&self) -> Subscription {
        Subscription(self.steps.subscribe())
    }

    fn place(&self, who: &Who) -> Result<Place, Refusal> {
        let mut subscribers = locked(&self.subscribers);
        let count = subscribers.0.entry(who.uid).or_default();
        if *count >= Subscribers::OF_A_USER {
            return Err(Refusal::no(format!(
                "{} has {count} subscriptions already, and may have no more: close one of them",
                who.name
            )));
        }
        *count += 1;
        Ok(Place { subscribers: Arc::clone(&self.subscribers), uid: who.uid })
    }

    /// Until the client is gone. Each item is the whole truth about its subject. So changes that are both in the state
    /// and behind it do no harm, and none is missing if the subscription begins first.
    pub(super) async fn stream(
        &self,
        handle: &ControllerHandle,
        who: &Who,
        answers: &mut Answers,
    ) -> Result<(), Unanswered> {
        let _place = self.place(who)?;
        loop {
            let mut subscription = self.subscribe();
            let facts = handle.with(Controller::in_force).await?;
            answers.item(&InForce::Begin).await?;
            answers.item(&InForce::Settings(wire::in_force_settings(&facts))).await?;
            for change in &facts.changes {
                answers.item(&wire::in_force(change, now())).await?;
            }
            drop(facts);
            answers.item(&InForce::Current).await?;
            while let Some(change) = subscription.next().await {
                answers.item(&wire::in_force(&change, now())).await?;
            }
            sleep(PAUSE).await;
        }
    }
}

/// Subscriptions by user. Each holds all that is in force until its client has read that, however slowly it reads.
#[derive(Debug, Default)]
struct Subscribers(HashMap<u32, usize>);

impl Subscribers {
    /// A program needs one, and perhaps one more while it starts again.
    const OF_A_USER: usize = 4;
}

/// A subscription of a user, for as long as it lasts.
struct Place {
    subscribers: Arc<Mutex<Subscribers>>,
    uid: u32,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut subscribers = locked(&self.subscribers);
        if let Entry::Occupied(mut count) = subscribers.0.entry(self.uid) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// Until when accounts have worked at sources, as it was sent last. Each success moves that by a little, which nobody needs
/// to hear of each time.
#[derive(Debug, Default)]
struct SentWorked(HashMap<(IpAddr, Account), KernelTime>);

impl SentWorked {
    /// More are forgotten together, and sent again.
    const MOST: usize = 131_072;
    const STEP: Duration = Duration::from_secs(86_400);

    fn is_news(&mut self, change: &InForceChange) -> bool {
        let InForceChange::Worked { account, source, until } = change else { return true };
        let key = (*source, account.clone());
        if *until == KernelTime::START {
            self.0.remove(&key);
            return true;
        }
        if self.0.get(&key).is_some_and(|sent| sent.abs_diff(*until) < Self::STEP) {
            return false;
        }
        if self.0.len() == Self::MOST {
            self.0.clear();
        }
        self.0.insert(key, *until);
        true
    }
}

struct Subscription(broadcast::Receiver<Step>);

impl Subscription {
    /// `None`: changes are missing, so all that is in force is to be sent again.
    async fn next(&mut self) -> Option<Arc<InForceChange>> {
        match self.0.recv().await {
            Ok(Step::Change(change)) => Some(change),
            Ok(Step::Anew) | Err(RecvError::Lagged(_) | RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use ipnet::IpNet;
    use sipward_api::name::DecisionName;
    use sipward_engine::guard::{Rule, Trigger};
    use sipward_types::time::KernelTime;

    use super::*;
    use crate::{clock::Clock, wire::DecisionFacts};

    fn emit(feed: &InForceFeed, name: DecisionName, rule: Rule, account: Option<&str>, source: Option<&str>) {
        let trigger = Trigger { rule, count: 6, seconds: 2 };
        let facts = DecisionFacts {
            account: account.map(str::to_owned),
            source: source.map(|net| net.parse().unwrap()),
            until: Some(KernelTime::FOREVER),
            ..DecisionFacts::new(name, trigger)
        };
        feed.emit(ControllerEvent::Decided { facts: &facts, who: "guard", clock: &Clock::read() });
    }

    fn unbanned(number: u32) -> InForceChange {
        InForceChange::Unbanned { net: IpNet::new(std::net::Ipv4Addr::from(number).into(), 32).unwrap() }
    }

    /// All that has been emitted.
    fn read(subscription: &mut Subscription) -> Vec<Option<InForceChange>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut read = Vec::new();
            while !subscription.0.is_empty() {
                read.push(subscription.next().await.map(|change| (*change).clone()));
            }
            read
        })
    }

    #[test]
    fn decisions_about_accounts_are_told_and_others_are_not() {
        let feed = InForceFeed::default();
        let mut subscription = feed.subscribe();
        let (account, source) = (Some("201"), Some("198.51.100.7/32"));
        emit(&feed, DecisionName::Suspended, Rule::Suspend, account, source);
        emit(&feed, DecisionName::Locked, Rule::Distributed, account, None);
        emit(&feed, DecisionName::Locked, Rule::Hand, account, None);
        emit(&feed, DecisionName::Lifted, Rule::Worked, account, source);
        emit(&feed, DecisionName::Alert, Rule::Persistent, account, source);
        emit(&feed, DecisionName::Banned, Rule::Spray, None, source);
        emit(&feed, DecisionName::Lifted, Rule::Expired, None, source);
        let suspended = |source: Option<&str>, strict| InForceChange::Suspended {
            account: "201".to_owned(),
            source: source.map(|source| source.parse().unwrap()),
            strict,
            until: KernelTime::FOREVER,
        };
        let lifted = InForceChange::Lifted {
            account: "201".to_owned(),
            source: Some("198.51.100.7".parse().unwrap()),
        };
        let expected =
            [suspended(Some("198.51.100.7"), false), suspended(None, false), suspended(None, true), lifted];
        assert_eq!(read(&mut subscription), expected.map(Some));
    }

    #[test]
    fn a_user_has_so_many_subscriptions_at_once_and_others_have_theirs() {
        let feed = InForceFeed::default();
        let user = |uid| Who { uid, pid: 1, name: format!("user {uid}") };
        let mut places: Vec<_> = (0..Subscribers::OF_A_USER).map(|_| feed.place(&user(7)).unwrap()).collect();
        let refusal = feed.place(&user(7)).err().expect("no more of them");
        assert!(refusal.message.starts_with("user 7 has 4 subscriptions already"), "{refusal}");
        let other = feed.place(&user(8)).unwrap();
        places.pop();
        places.push(feed.place(&user(7)).unwrap());
        drop((places, other));
        assert!(locked(&feed.subscribers).0.is_empty());
    }

    fn worked(until: KernelTime) -> InForceChange {
        let account = Account::new(b"201").unwrap();
        InForceChange::Worked { account, source: "192.0.2.20".parse().unwrap(), until }
    }

    #[test]
    fn that_an_account_works_is_told_once_a_day_and_its_end_always() {
        let feed = InForceFeed::default();
        let mut subscription = feed.subscribe();
        let hour = |hours: u64| worked(KernelTime::START + Duration::from_secs(3_600 * hours));
        let emit = |changes: &[InForceChange]| feed.emit(ControllerEvent::Changed(changes.to_vec()));
        emit(&[hour(720), hour(721), hour(743), hour(744), hour(745)]);
        emit(&[worked(KernelTime::START), hour(745)]);
        let expected = [hour(720), hour(744), worked(KernelTime::START), hour(745)].map(Some);
        assert_eq!(read(&mut subscription), expected);
        // Its end while nobody listens is an end for whoever comes then.
        drop(subscription);
        emit(&[worked(KernelTime::START)]);
        let mut subscription = feed.subscribe();
        emit(&[hour(746)]);
        assert_eq!(read(&mut subscription), [Some(hour(746))]);
    }

    #[test]
    fn whoever_lags_begins_anew_and_so_does_everybody_after_a_change_of_all() {
        let feed = InForceFeed::default();
        let mut slow = feed.subscribe();
        feed.emit(ControllerEvent::Changed((0..BACKLOG as u32).map(unbanned).collect()));
        let mut quick = feed.subscribe();
        assert_eq!(read(&mut slow).len(), BACKLOG);
        feed.emit(ControllerEvent::Changed((0..=BACKLOG as u32).map(unbanned).collect()));
        assert_eq!(read(&mut slow)[0], None);
        assert_eq!(read(&mut quick)[0], None);
        feed.emit(ControllerEvent::Changed(vec![unbanned(7)]));
        feed.emit(ControllerEvent::ChangedAltogether);
        assert_eq!(read(&mut quick), [Some(unbanned(7)), None]);
    }
}
