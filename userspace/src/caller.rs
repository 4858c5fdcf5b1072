//! The author of a call.

/// The author of a call, as reported by the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    pub uid: u32,
    pub pid: i32,
    /// The user's name, with the login user if that is another one: `root (alice)`.
    pub name: String,
}

impl Who {
    /// The daemon itself.
    pub fn sipward() -> Self {
        Self { uid: 0, pid: 0, name: "sipward".to_owned() }
    }
}
