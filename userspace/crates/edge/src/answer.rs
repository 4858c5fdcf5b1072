//! Answers that the edge gives itself.
