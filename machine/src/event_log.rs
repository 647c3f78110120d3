//! The event log: records with id, source and inserts, worded as each release words them.
