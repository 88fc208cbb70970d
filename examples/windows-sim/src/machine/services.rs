//! The service table and what the service control manager allows.

/// A service's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceState {
    Running,
    Stopped,
}

impl ServiceState {
    /// As .NET's `ServiceControllerStatus` spells it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Stopped => "Stopped",
        }
    }
}

/// How a service starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartType {
    Automatic,
    Manual,
    Disabled,
}

impl StartType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Automatic => "Automatic",
            Self::Manual => "Manual",
            Self::Disabled => "Disabled",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Automatic, Self::Manual, Self::Disabled]
            .into_iter()
            .find(|t| t.name().eq_ignore_ascii_case(text))
    }
}

/// One service.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) display_name: &'static str,
    pub(crate) state: ServiceState,
    pub(crate) start_type: StartType,
    /// Names of the services this one needs.
    pub(crate) depends_on: &'static [&'static str],
    /// Whether it takes the stop control at all.
    pub(crate) can_stop: bool,
    /// Whether even an administrator is refused (as for protected services).
    pub(crate) protected: bool,
}

/// Why a service control was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ServiceError {
    NotFound,
    AccessDenied,
    AlreadyRunning,
    NotRunning,
    CannotStop,
    Disabled,
    /// These running services need it.
    HasDependents(Vec<&'static str>),
}

/// All services of a machine.
#[derive(Debug)]
pub(crate) struct ServiceTable {
    services: Vec<Service>,
}

impl ServiceTable {
    /// The services of a fresh machine, by name.
    pub(crate) fn new() -> Self {
        use ServiceState::{Running, Stopped};
        use StartType::{Automatic, Disabled, Manual};
        let make = |name, display_name, state, start_type, depends_on, can_stop, protected| Service {
            name,
            display_name,
            state,
            start_type,
            depends_on,
            can_stop,
            protected,
        };
        let services = vec![
            make(
                "BITS",
                "Background Intelligent Transfer Service",
                Stopped,
                Manual,
                &["RpcSs"][..],
                true,
                false,
            ),
            make("Dnscache", "DNS Client", Running, Automatic, &[], false, false),
            make("EventLog", "Windows Event Log", Running, Automatic, &[], true, false),
            make("LanmanServer", "Server", Running, Automatic, &[], true, false),
            make("LanmanWorkstation", "Workstation", Running, Automatic, &[], true, false),
            make("Netlogon", "Netlogon", Stopped, Manual, &["LanmanWorkstation"], true, false),
            make("RemoteRegistry", "Remote Registry", Stopped, Disabled, &["RpcSs"], true, false),
            make("RpcSs", "Remote Procedure Call (RPC)", Running, Automatic, &[], false, false),
            make("Schedule", "Task Scheduler", Running, Automatic, &["RpcSs", "EventLog"], true, false),
            make("Spooler", "Print Spooler", Running, Automatic, &["RpcSs"], true, false),
            make("TermService", "Remote Desktop Services", Running, Manual, &["RpcSs"], true, false),
            make("W32Time", "Windows Time", Running, Automatic, &[], true, false),
            make(
                "WinDefend",
                "Windows Defender Antivirus Service",
                Running,
                Automatic,
                &["RpcSs"],
                true,
                true,
            ),
            make(
                "WinRM",
                "Windows Remote Management (WS-Management)",
                Running,
                Automatic,
                &["RpcSs"],
                true,
                false,
            ),
            make("wuauserv", "Windows Update", Stopped, Manual, &["RpcSs"], true, false),
        ];
        Self { services }
    }

    pub(crate) fn all(&self) -> &[Service] {
        &self.services
    }

    /// By service name or, as the control manager allows, by display name.
    pub(crate) fn get(&self, name: &str) -> Option<&Service> {
        self.services
            .iter()
            .find(|s| s.name.eq_ignore_ascii_case(name))
            .or_else(|| self.services.iter().find(|s| s.display_name.eq_ignore_ascii_case(name)))
    }

    /// The running services that need this one.
    pub(crate) fn running_dependents(&self, name: &str) -> Vec<&'static str> {
        self.services
            .iter()
            .filter(|s| s.state == ServiceState::Running)
            .filter(|s| s.depends_on.iter().any(|d| d.eq_ignore_ascii_case(name)))
            .map(|s| s.name)
            .collect()
    }

    pub(crate) fn start(&mut self, name: &str, administrator: bool) -> Result<(), ServiceError> {
        let service = self.get(name).ok_or(ServiceError::NotFound)?.clone();
        if !administrator || service.protected {
            return Err(ServiceError::AccessDenied);
        }
        if service.state == ServiceState::Running {
            return Err(ServiceError::AlreadyRunning);
        }
        if service.start_type == StartType::Disabled {
            return Err(ServiceError::Disabled);
        }
        for needed in service.depends_on {
            match self.start(needed, administrator) {
                Ok(()) | Err(ServiceError::AlreadyRunning) => {}
                Err(other) => return Err(other),
            }
        }
        self.set_state(service.name, ServiceState::Running);
        Ok(())
    }

    /// Stops a service; with `force`, the services that need it first.
    pub(crate) fn stop(&mut self, name: &str, force: bool, administrator: bool) -> Result<(), ServiceError> {
        let service = self.get(name).ok_or(ServiceError::NotFound)?.clone();
        if !administrator || service.protected {
            return Err(ServiceError::AccessDenied);
        }
        if service.state == ServiceState::Stopped {
            return Err(ServiceError::NotRunning);
        }
        let dependents = self.running_dependents(service.name);
        if !dependents.is_empty() && !force {
            return Err(ServiceError::HasDependents(dependents));
        }
        if !service.can_stop {
            return Err(ServiceError::CannotStop);
        }
        for dependent in dependents {
            self.stop(dependent, force, administrator)?;
        }
        self.set_state(service.name, ServiceState::Stopped);
        Ok(())
    }

    pub(crate) fn set_start_type(&mut self, name: &str, start_type: StartType) {
        if let Some(service) = self.services.iter_mut().find(|s| s.name.eq_ignore_ascii_case(name)) {
            service.start_type = start_type;
        }
    }

    fn set_state(&mut self, name: &str, state: ServiceState) {
        if let Some(service) = self.services.iter_mut().find(|s| s.name == name) {
            service.state = state;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stopping_a_service_others_need_wants_force() {
        let mut table = ServiceTable::new();
        assert_eq!(table.stop("EventLog", false, true), Err(ServiceError::HasDependents(vec!["Schedule"])));
        assert_eq!(table.stop("eventlog", true, true), Ok(()));
        assert_eq!(table.get("Schedule").map(|s| s.state), Some(ServiceState::Stopped));
        assert_eq!(table.start("Schedule", true), Ok(()));
        assert_eq!(table.get("EventLog").map(|s| s.state), Some(ServiceState::Running));
    }

    #[test]
    fn rights_are_asked_for() {
        let mut table = ServiceTable::new();
        assert_eq!(table.stop("Spooler", false, false), Err(ServiceError::AccessDenied));
        assert_eq!(table.stop("WinDefend", false, true), Err(ServiceError::AccessDenied));
        assert_eq!(table.stop("Dnscache", false, true), Err(ServiceError::CannotStop));
        assert_eq!(table.start("RemoteRegistry", true), Err(ServiceError::Disabled));
    }
}
