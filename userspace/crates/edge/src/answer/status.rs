//! The statuses that the edge gives itself.

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    BadRequest,
    Unauthorized,
    Forbidden,
    ProxyAuthenticationRequired,
    UnsupportedScheme,
    BadExtension,
    FlowFailed,
    TemporarilyUnavailable,
    NoSuchCall,
    LoopDetected,
    TooManyHops,
    ServerError,
    ServiceUnavailable,
}

impl Status {
    pub const fn code(self) -> u16 {
        self.code_and_reason().0
    }

    pub const fn reason(self) -> &'static str {
        self.code_and_reason().1
    }

    const fn code_and_reason(self) -> (u16, &'static str) {
        match self {
            Self::BadRequest => (400, "Bad Request"),
            Self::Unauthorized => (401, "Unauthorized"),
            Self::Forbidden => (403, "Forbidden"),
            Self::ProxyAuthenticationRequired => (407, "Proxy Authentication Required"),
            Self::UnsupportedScheme => (416, "Unsupported URI Scheme"),
            Self::BadExtension => (420, "Bad Extension"),
            Self::FlowFailed => (430, "Flow Failed"),
            Self::TemporarilyUnavailable => (480, "Temporarily Unavailable"),
            Self::NoSuchCall => (481, "Call/Transaction Does Not Exist"),
            Self::LoopDetected => (482, "Loop Detected"),
            Self::TooManyHops => (483, "Too Many Hops"),
            Self::ServerError => (500, "Server Internal Error"),
            Self::ServiceUnavailable => (503, "Service Unavailable"),
        }
    }
}
