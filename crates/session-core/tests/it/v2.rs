//! Version 2, one concept a file.

mod asked_again;
mod drain;
mod during_recovery;
mod late_resume;
mod lineage;
mod not_resumed;
mod parts;
mod question_errors;
mod resume;
