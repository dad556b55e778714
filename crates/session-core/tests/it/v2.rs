//! Version 2, one concept a file.

mod again;
mod drain;
mod ends;
mod late_return;
mod lineage;
mod meanwhile;
mod not_resumed;
mod parts;
mod resume;
