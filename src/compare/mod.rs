//! room: compare
