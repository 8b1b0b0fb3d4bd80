//! room: report
