mod edge;
mod floods;
mod losses;
mod proof;
mod script;
mod transcripts;
mod tricks;
mod unseen;
