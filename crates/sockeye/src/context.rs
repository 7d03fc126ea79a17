//! What a verb needs from the run it is part of.

use std::sync::Arc;

use sockeye_net::{Families, FirstUse, Net, Trust};
use sockeye_trace::Recorder;

use crate::catalogue::Lang;
use crate::cli::Global;
use crate::ui::Ui;

/// One run of the program.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) ui: Ui,
    /// What listening and connecting need: `-4`, `-6`, inherited sockets, the recorder.
    pub(crate) net: Net,
    pub(crate) global: Global,
}

impl Context {
    pub(crate) fn new(global: Global, lang: Lang) -> Self {
        let mut net = Net::new(Recorder::new()).with_environment();
        net.families = match (global.ipv4, global.ipv6) {
            (true, _) => Families::V4,
            (_, true) => Families::V6,
            _ => Families::Any,
        };
        if global.trust_on_first_use {
            net.trust = Arc::new(Trust::from_environment().with_first_use(FirstUse::Pin));
        }
        Self {
            ui: Ui::new(lang),
            net,
            global,
        }
    }

    pub(crate) fn lang(&self) -> Lang {
        self.ui.lang
    }
}

/// This machine's name.
pub(crate) fn host_name() -> String {
    // proc(5): what hostname(1) prints.
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.unwrap_or_default().trim_end().to_owned()
}
