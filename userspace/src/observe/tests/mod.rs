mod floods;
mod losses;
mod script;
mod transcripts;
mod tricks;
mod unseen;
