//! Digest authentication: challenges, and verdicts on credentials.
