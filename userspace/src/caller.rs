//! Who asks for something.

/// Who asks: as the kernel says, not as they say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    pub uid: u32,
    pub pid: i32,
    /// The user's name, and whom they logged in as if that is somebody else: `root (alice)`.
    pub name: String,
}

impl Who {
    /// The daemon itself.
    pub fn sipward() -> Self {
        Self { uid: 0, pid: 0, name: "sipward".to_owned() }
    }
}
