//! room: scan
