//! The examples of docs/protocol.md and docs/feeders.md.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::control::request;
use sipward_api::{Answer, Call, evidence, explanation, in_force, item, status};

const DOCUMENT: &str =
    concat!(include_str!("../../../docs/protocol.md"), include_str!("../../../docs/feeders.md"));

/// A request and its answers.
struct Example {
    request: &'static str,
    answers: Vec<Answer>,
}

fn examples() -> Vec<Example> {
    let blocks = DOCUMENT.split("```json\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    blocks
        .map(|block| {
            let (request, answers) = block.split_once('\n').unwrap();
            let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            Example { request, answers: answers.lines().map(parse).collect() }
        })
        .collect()
}

fn name(call: &Call) -> String {
    serde_json::to_value(call).unwrap()["call"].as_str().unwrap().to_owned()
}

/// One call of each name.
pub(in crate::control) fn every_call() -> BTreeMap<String, Call> {
    let calls = examples().into_iter().filter_map(|example| request::parse(example.request.as_bytes()).ok());
    calls.map(|call| (name(&call), call)).collect()
}

/// The calls that there are, in the words of the error that lists them.
fn names() -> BTreeSet<String> {
    let refusal = request::parse(br#"{"version":1,"call":""}"#).unwrap_err();
    let names = refusal.message.split('`').skip(3).step_by(2);
    names.map(str::to_owned).collect()
}

/// Fails if the example has more, less or other fields than what the call answers.
fn is<T: Serialize + DeserializeOwned>(item: &Value) {
    let meant: T = serde_json::from_value(item.clone()).unwrap_or_else(|error| panic!("{item}: {error}"));
    assert_eq!(serde_json::to_value(meant).unwrap(), *item, "what is said, and what the documentation shows");
}

fn assert_answers(call: &Call, item: &Value) {
    match call {
        Call::Trust(_) => is::<item::Trusted>(item),
        Call::Ban(_) => is::<item::Banned>(item),
        Call::Remove(_) => is::<item::Deleted>(item),
        Call::List(_) => is::<item::Listed>(item),
        Call::Import(_) => is::<item::ImportedCount>(item),
        Call::Mode(_) => is::<item::Mode>(item),
        Call::Only(_) | Call::Confirm => is::<item::Only>(item),
        Call::Signatures(_) => is::<item::Signatures>(item),
        Call::Reload | Call::Attach => is::<item::Attached>(item),
        Call::Detach(_) => is::<item::Detached>(item),
        Call::Status => is::<status::Status>(item),
        Call::Explain(_) => is::<explanation::Explanation>(item),
        Call::Accounts(_) => is::<item::Closed>(item),
        Call::Account(_) => is::<item::Account>(item),
        Call::Lock(_) => is::<item::Locked>(item),
        Call::Unlock(_) => is::<item::Unlocked>(item),
        Call::Rules => is::<item::Ruled>(item),
        Call::Events(_) => is::<item::Event>(item),
        Call::Top => is::<item::Top>(item),
        Call::Audit(_) => is::<item::Audited>(item),
        Call::Evidence(_) => is::<evidence::EvidenceTaken>(item),
        Call::Report(_) => panic!("{item}: this call has no items"),
        Call::InForce => is::<in_force::InForce>(item),
    }
}

#[test]
fn each_call_has_an_example_and_each_example_is_so() {
    let mut shown = BTreeSet::new();
    for Example { request, answers } in examples() {
        let call = match request::parse(request.as_bytes()) {
            Ok(call) => call,
            Err(refusal) => {
                assert_eq!(answers, [Answer::Failed(refusal.into())], "{request}");
                continue;
            }
        };
        let name = name(&call);
        let endless = matches!(call, Call::Events(_) | Call::InForce);
        for (at, answer) in answers.iter().enumerate() {
            match answer {
                Answer::Item(item) => assert_answers(&call, item),
                Answer::Notice(_) => {}
                Answer::Done | Answer::Failed(_) => assert!(!endless && at + 1 == answers.len(), "{request}"),
            }
        }
        assert!(endless || matches!(answers.last(), Some(Answer::Done | Answer::Failed(_))), "{request}");
        shown.insert(name);
    }
    assert!(shown.len() > 15);
    assert_eq!(shown, names());
}

#[test]
fn no_call_takes_a_field_that_it_does_not_know() {
    for Example { request, .. } in examples() {
        let surprising = request.replacen('{', "{\"surprise\":1,", 1);
        let refusal = request::parse(surprising.as_bytes()).expect_err(request);
        assert!(refusal.message.contains("unknown field `surprise`"), "{surprising}: {refusal}");
    }
}

#[test]
fn a_shadow_without_an_end_is_not_taken_for_none() {
    let banned = |shadow| {
        let text = format!("{{\"banned\":\"192.0.2.1\",\"expires_in\":1,\"longer\":false{shadow}}}");
        serde_json::from_str::<item::Banned>(&text).unwrap().shadowed_for
    };
    assert_eq!(banned(""), None);
    assert_eq!(banned(",\"shadowed_for\":null"), Some(None));
    assert_eq!(banned(",\"shadowed_for\":5"), Some(Some(5)));
}
