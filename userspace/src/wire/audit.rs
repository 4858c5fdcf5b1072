//! Lines of the audit trail.

use crate::store::AuditEntry;
use sipward_api::item::Audited;

pub fn audited(entry: AuditEntry) -> Audited {
    let AuditEntry { at, who, what, target, detail } = entry;
    Audited { at: at.seconds().get(), who, what, target, detail }
}
