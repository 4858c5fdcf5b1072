//! Signatures: from the text that operators read to the tables that the kernel walks.
