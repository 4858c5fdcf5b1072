//! Messages as the phone writes them. A test may change one before it is sent.

use std::{fmt, sync::Arc};

use super::message::is_name;

/// A message in lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Without its line end.
    pub start: String,
    /// In the order in which they are written, with names as they are written.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Draft {
    pub fn new(start: String) -> Self {
        Self { start, headers: Vec::new(), body: String::new() }
    }

    /// Adds a line at the end.
    pub fn add(&mut self, name: &str, value: impl Into<String>) {
        self.headers.push((name.to_owned(), value.into()));
    }

    /// Adds a line before all others.
    pub fn add_first(&mut self, name: &str, value: impl Into<String>) {
        self.headers.insert(0, (name.to_owned(), value.into()));
    }

    /// Changes the first line with this name, or adds one.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        match self.headers.iter_mut().find(|(found, _)| is_name(found, name)) {
            Some((_, old)) => *old = value.into(),
            None => self.add(name, value),
        }
    }

    pub fn remove(&mut self, name: &str) {
        self.headers.retain(|(found, _)| !is_name(found, name));
    }

    /// The value of the first line with this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| is_name(found, name)).map(|(_, value)| &value[..])
    }

    /// Lengthens the body with lines that SDP allows, until the message has this length.
    pub fn pad_to(&mut self, length: usize) {
        const NAME: &str = "a=x-pad:";
        const END: &str = "\r\n";
        const LINE: usize = 20;
        // Always four digits, so that the number does not change the length.
        self.set("Content-Length", format!("{:04}", self.body.len()));
        let missing = length.saturating_sub(self.write().len());
        // The last line is longer than the others: half a line is no attribute.
        let lines = (missing / LINE).max(1);
        let padding: String = (0..lines)
            .map(|line| {
                let rest = if line + 1 == lines { missing.saturating_sub(lines * LINE) } else { 0 };
                format!("{NAME}{}{END}", "0".repeat(LINE + rest - NAME.len() - END.len()))
            })
            .collect();
        self.body.push_str(&padding);
        self.set("Content-Length", format!("{:04}", self.body.len()));
    }

    /// Content-Length is that of the body, unless there is one.
    pub fn write(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        if self.header("Content-Length").is_none() {
            text += &format!("Content-Length: {}\r\n", self.body.len());
        }
        (text + "\r\n" + &self.body).into_bytes()
    }
}

/// A change to each message of an exchange, just before it is written: with the credentials, too, once it has any.
#[derive(Clone)]
pub struct Edit(Arc<dyn Fn(&mut Draft) + Send + Sync>);

impl Edit {
    pub fn new(change: impl Fn(&mut Draft) + Send + Sync + 'static) -> Self {
        Self(Arc::new(change))
    }

    pub fn none() -> Self {
        Self::new(|_| ())
    }

    pub(super) fn apply(&self, draft: &mut Draft) {
        (self.0)(draft);
    }
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Edit")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_written_as_it_was_changed() {
        let mut draft = Draft::new("BYE sip:a SIP/2.0".to_owned());
        draft.add("To", "<sip:a>");
        draft.add("To", "<sip:b>");
        draft.set("t", "x");
        draft.set("to", "<sip:c>");
        draft.add_first("Via", "v");
        draft.body.push_str("ab");
        let text = "BYE sip:a SIP/2.0\r\nVia: v\r\nTo: <sip:c>\r\nTo: <sip:b>\r\nt: x\r\nContent-Length: 2\r\n\r\nab";
        assert_eq!(String::from_utf8(draft.write()).unwrap(), text);
        draft.remove("To");
        assert_eq!(draft.headers.len(), 1);
    }

    #[test]
    fn padding_gives_the_length_that_was_asked_for() {
        let mut draft = Draft::new("INVITE sip:a SIP/2.0".to_owned());
        draft.pad_to(2_000);
        assert_eq!(draft.write().len(), 2_000);
        assert_eq!(draft.header("Content-Length"), Some(&format!("{:04}", draft.body.len())[..]));
    }
}
