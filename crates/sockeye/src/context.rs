//! What a verb needs from the run it is part of.

use sockeye_trace::Recorder;

use crate::catalogue::Lang;
use crate::cli::Global;
use crate::ui::Ui;

/// One run of the program.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) ui: Ui,
    pub(crate) recorder: Recorder,
    pub(crate) global: Global,
}

impl Context {
    pub(crate) fn new(global: Global, lang: Lang) -> Self {
        Self {
            ui: Ui::new(lang),
            recorder: Recorder::new(),
            global,
        }
    }

    pub(crate) fn lang(&self) -> Lang {
        self.ui.lang
    }
}
