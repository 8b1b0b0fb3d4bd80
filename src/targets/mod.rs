//! room: targets
