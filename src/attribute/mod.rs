//! room: attribute
