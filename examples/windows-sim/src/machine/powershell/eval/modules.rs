//! Modules: each is imported when a command of it is first called.

use super::super::clixml::Progress;
use super::super::cmdlets::Module;
use super::Interpreter;

impl Interpreter {
    /// Imports a module unless it is there. A command's bare name is searched for in all modules; a name that says its
    /// module needs no search.
    pub(super) async fn import(&mut self, module: Module, searched: bool) {
        if module == Module::Core || self.modules.contains(&module) {
            return;
        }
        self.modules.push(module);
        if searched {
            self.search_ended().await;
        }
    }

    /// Windows PowerShell closes the progress of a search through its modules with a record, whether or not the search
    /// opened one or found the command. As for every record, `$ProgressPreference` decides whether it is written.
    pub(super) async fn search_ended(&mut self) {
        let record = Progress {
            activity: "Preparing modules for first use.".to_owned(),
            status: " ".to_owned(),
            completed: true,
            ..Progress::default()
        };
        self.host_progress(&record).await;
    }
}
