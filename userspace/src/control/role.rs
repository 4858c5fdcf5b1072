//! The role that each call needs.

use sipward_api::Call;
use sipward_engine::policy::Role;

pub(super) const fn required(call: &Call) -> Role {
    match call {
        Call::List(_)
        | Call::Status
        | Call::Explain(_)
        | Call::Accounts(_)
        | Call::Account(_)
        | Call::Rules
        | Call::Events(_)
        | Call::Top
        | Call::Audit(_) => Role::Read,
        Call::Trust(_)
        | Call::Ban(_)
        | Call::Remove(_)
        | Call::Import(_)
        | Call::Confirm
        | Call::Lock(_)
        | Call::Unlock(_) => Role::Lists,
        Call::Evidence(_) | Call::Report(_) | Call::InForce => Role::Feed,
        Call::Mode(_)
        | Call::Only(_)
        | Call::Signatures(_)
        | Call::Reload
        | Call::Attach
        | Call::Detach(_) => Role::All,
    }
}
