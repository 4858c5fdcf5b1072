//! The units of systemd that come with sipward.

/// The text of one.
#[derive(Clone, Copy, Debug)]
pub struct UnitFile(&'static str);

pub const DAEMON: UnitFile = UnitFile(include_str!("../../userspace/sipward.service"));
pub const EDGE: UnitFile = UnitFile(include_str!("../../userspace/sipward-edge.service"));

impl UnitFile {
    /// True if it says something of the key, even if that is nothing.
    pub fn has(self, key: &str) -> bool {
        self.0.lines().any(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with('=')))
    }

    /// The values of a key, those of all its lines.
    pub fn values(self, key: &str) -> Vec<&'static str> {
        let value = |line: &'static str| line.strip_prefix(key)?.strip_prefix('=');
        self.0.lines().filter_map(value).flat_map(str::split_whitespace).collect()
    }
}
