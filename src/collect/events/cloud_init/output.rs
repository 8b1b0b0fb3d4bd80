//! `/var/log/cloud-init-output.log`: when each stage ran, where the log of modules is gone.

use super::Window;
use crate::collect::events::zone::offset;
use crate::collect::events::{At, Sink};
use crate::model::{CauseKind, EventTime};

/// Reads the lines of the output in order.
#[derive(Debug, Default)]
pub(super) struct Stages {
    open: Option<(String, EventTime, u64, String)>,
}

impl Stages {
    /// `Cloud-init v. 22.4 running 'modules:final' at Mon, 23 Nov 2026 00:58:31 +0000. Up …`, and
    /// `… finished at …`.
    pub(super) fn take(&mut self, at: At<'_>, line: &str, sink: &mut Sink) {
        let Some(rest) = line.strip_prefix("Cloud-init v. ") else { return };
        let Some((head, rest)) = rest.split_once(" at ") else { return };
        let Some(time) = rest.split(". ").next().and_then(date) else { return };
        self.close(at, time, sink);
        if let Some((_, stage)) = head.split_once(" running '") {
            let number = at.line.unwrap_or(0);
            let stage = stage.trim_end_matches('\'').to_owned();
            self.open = Some((stage, time, number, line.to_owned()));
        }
    }

    /// A stage lasts until the next one begins.
    fn close(&mut self, at: At<'_>, end: EventTime, sink: &mut Sink) {
        let Some((stage, start, number, line)) = self.open.take() else { return };
        let at = At { line: Some(number), ..at };
        let mut event = at.event(CauseKind::CloudInit, "module", &stage, &line);
        let window: Window = (start, end);
        (event.time, event.until) = (Some(window.0), Some(window.1));
        sink.push(event);
    }
}

/// RFC 2822, as `time.strftime` writes it: `Mon, 23 Nov 2026 00:58:31 +0000`.
fn date(text: &str) -> Option<EventTime> {
    let mut parts = text.split_whitespace().skip(1);
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let (clock, zone) = (parts.next()?, parts.next()?);
    let month =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
            .iter()
            .position(|name| *name == month)?
            .checked_add(1)?;
    let (hours, minutes) = (zone.get(..3)?, zone.get(3..5)?);
    offset(&format!("{year}-{month:02}-{day:0>2}T{clock}{hours}:{minutes}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TreePath;

    #[test]
    fn stages_end_where_the_next_begins() {
        let path = TreePath::parse("/var/log/cloud-init-output.log");
        let (mut stages, mut sink) = (Stages::default(), Sink::default());
        for line in [
            "Cloud-init v. 22.4.2 running 'init' at Mon, 23 Nov 2026 00:58:12 +0000. Up 41.1 seconds.",
            "anything",
            "Cloud-init v. 22.4.2 running 'modules:final' at Mon, 23 Nov 2026 00:58:31 +0000. Up 60 seconds.",
            "Cloud-init v. 22.4.2 finished at Mon, 23 Nov 2026 00:58:48 +0000. Datasource X.  Up 77 seconds",
        ] {
            stages.take(At { path: &path, line: Some(1) }, line, &mut sink);
        }
        let shown = sink
            .into_events()
            .into_iter()
            .map(|event| format!("{} {}", event.detail, event.until.unwrap().at));
        assert_eq!(
            shown.collect::<Vec<_>>(),
            ["init 2026-11-23T00:58:31Z", "modules:final 2026-11-23T00:58:48Z"]
        );
    }
}
