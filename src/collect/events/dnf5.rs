//! dnf5's history (`transaction_history.sqlite`, libdnf5's `create_tables.sql`): names,
//! architectures and actions are tables of their own.

use super::{At, Sink, package};
use crate::model::{CauseKind, EventSubject, EventTime, TimeCertainty, Timestamp, TreePath};
use rusqlite::Connection;

/// Transactions, and items of one, that are read.
const MAX_TRANSACTIONS: u32 = 20_000;
const MAX_ITEMS: u32 = 10_000;

/// Whether a database has these tables.
pub(super) fn is_dnf5(database: &Connection) -> bool {
    table(database, &["pkg_names", "pkg_name"]).is_some()
}

/// The first of these tables that is there.
fn table(database: &Connection, names: &[&'static str]) -> Option<&'static str> {
    let has = |name: &str| {
        let query = "select 1 from sqlite_master where type = 'table' and name = ?1";
        database.prepare(query).and_then(|mut query| query.exists([name])).unwrap_or(false)
    };
    names.iter().copied().find(|name| has(name))
}

/// The first of these columns of a table that is there.
fn column(database: &Connection, table: &str, names: &[&'static str]) -> Option<&'static str> {
    let has = |name: &str| {
        let query = "select 1 from pragma_table_info(?1) where name = ?2";
        database.prepare(query).and_then(|mut query| query.exists([table, name])).unwrap_or(false)
    };
    names.iter().copied().find(|name| has(name))
}

/// All transactions, the newest first.
pub(super) fn history(
    database: &Connection,
    path: &TreePath,
    user: impl Fn(i64) -> Option<String>,
    sink: &mut Sink,
) -> rusqlite::Result<()> {
    let names = table(database, &["pkg_names", "pkg_name"]).unwrap_or("pkg_names");
    let archs = table(database, &["archs", "arch"]).unwrap_or("archs");
    let command = column(database, "trans", &["description", "cmdline"]).unwrap_or("id");
    let mut items = database.prepare(&format!(
        "select n.name, cast(r.epoch as integer), r.version, r.release, a.name, lower(t.name) \
         from trans_item i join rpm r on r.item_id = i.item_id join {names} n on n.id = r.name_id \
         join {archs} a on a.id = r.arch_id join trans_item_action t on t.id = i.action_id \
         where i.trans_id = ?1 limit {MAX_ITEMS}"
    ))?;
    let mut transactions = database.prepare(&format!(
        "select id, dt_begin, dt_end, {command}, user_id from trans order by id desc \
         limit {MAX_TRANSACTIONS}"
    ))?;
    let mut rows = transactions.query([])?;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let (begin, end): (Option<i64>, Option<i64>) = (row.get(1)?, row.get(2)?);
        let command: String = row.get::<_, Option<String>>(3)?.unwrap_or_default();
        let by = row.get::<_, Option<i64>>(4)?.and_then(&user).unwrap_or_default();
        let mut subjects: Vec<EventSubject> = Vec::new();
        let mut actions: Vec<String> = Vec::new();
        let mut found = items.query([id])?;
        while let Some(item) = found.next()? {
            let action: String = item.get(5)?;
            // What was replaced is told by what replaced it.
            if !matches!(
                action.as_str(),
                "install" | "upgrade" | "downgrade" | "reinstall" | "remove"
            ) {
                continue;
            }
            let text =
                |column| item.get::<_, Option<String>>(column).map(Option::unwrap_or_default);
            let epoch = item.get::<_, Option<i64>>(1)?.unwrap_or(0);
            let version = match epoch {
                0 => format!("{}-{}", text(2)?, text(3)?),
                epoch => format!("{epoch}:{}-{}", text(2)?, text(3)?),
            };
            let name = format!("{}:{}", text(0)?, text(4)?);
            subjects.push(package("rpm", &name, (action != "remove").then_some(&version)));
            if !actions.contains(&action) {
                actions.push(action);
            }
        }
        if subjects.is_empty() {
            continue;
        }
        let detail = if command.is_empty() { "dnf5".to_owned() } else { command };
        let at = At { path, line: u64::try_from(id).ok() };
        let text = format!("transaction {id}: {detail}{by}");
        let detail = format!("{detail}{by}");
        let mut event = at.event(CauseKind::PackageManager, &actions.join("+"), &detail, &text);
        let exact = |seconds| EventTime {
            at: Timestamp::from_seconds(seconds),
            certainty: TimeCertainty::Exact,
        };
        (event.time, event.until) = (begin.map(exact), end.map(exact));
        event.subjects = subjects;
        sink.push(event);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_actions_are_tables() {
        let database = Connection::open_in_memory().unwrap();
        database
            .execute_batch(
                "create table trans(id integer primary key, dt_begin, dt_end, description, user_id);
                 create table pkg_names(id integer primary key, name);
                 create table archs(id integer primary key, name);
                 create table trans_item_action(id integer primary key, name);
                 create table trans_item(trans_id, item_id, action_id);
                 create table rpm(item_id, name_id, epoch, version, release, arch_id);
                 insert into trans values (1, 100, 110, 'dnf install htop', 1000);
                 insert into pkg_names values (1, 'htop'), (2, 'bind');
                 insert into archs values (1, 'x86_64');
                 insert into trans_item_action values (1, 'Install'), (5, 'Remove'), (6, 'Replaced');
                 insert into rpm values (1, 1, '0', '3.2', '1.fc41', 1), (2, 2, '32', '9', '1', 1),
                                        (3, 1, '0', '3.1', '1.fc41', 1);
                 insert into trans_item values (1, 1, 1), (1, 2, 5), (1, 3, 6);",
            )
            .unwrap();
        assert!(is_dnf5(&database));
        let mut sink = Sink::default();
        let by = |user| (user == 1000).then(|| " (requested by anna (1000))".to_owned());
        history(&database, &TreePath::parse("/h"), by, &mut sink).unwrap();
        let events = sink.into_events();
        let shown: Vec<String> = events
            .iter()
            .flat_map(|event| &event.subjects)
            .map(|subject| match subject {
                EventSubject::Package { key, version } => format!("{key} {version:?}"),
                _ => String::new(),
            })
            .collect();
        assert_eq!(shown, ["htop:x86_64 Some(\"3.2-1.fc41\")", "bind:x86_64 None"]);
        assert_eq!(events[0].detail, "dnf install htop (requested by anna (1000))");
        assert_eq!(events[0].action, "install+remove");
    }
}
