//! `sc` and `net`: the service control manager from the command line.

use crate::machine::services::{Service, ServiceError, ServiceState};
use crate::machine::surroundings::Surroundings;

/// The number and the text Windows has for the refusal.
fn system_error(error: &ServiceError) -> (i32, &'static str) {
    match error {
        ServiceError::NotFound => (1060, "The specified service does not exist as an installed service."),
        ServiceError::AccessDenied => (5, "Access is denied."),
        ServiceError::AlreadyRunning => (1056, "An instance of the service is already running."),
        ServiceError::NotRunning => (1062, "The service has not been started."),
        ServiceError::CannotStop => (1052, "The requested control is not valid for this service."),
        ServiceError::Disabled => (
            1058,
            "The service cannot be started, either because it is disabled or because it has no enabled devices associated with it.",
        ),
        ServiceError::HasDependents(_) => {
            (1051, "A stop control has been sent to a service that other running services are dependent on.")
        }
    }
}

fn describe(service: &Service) -> String {
    let (number, state) = match service.state {
        ServiceState::Running => (4, "RUNNING"),
        ServiceState::Stopped => (1, "STOPPED"),
    };
    let stoppable = if service.can_stop && service.state == ServiceState::Running { "" } else { "NOT_" };
    format!(
        "\r\nSERVICE_NAME: {}\r\n        TYPE               : 10  WIN32_OWN_PROCESS  \r\n        \
         STATE              : {number}  {state} \r\n                                \
         ({stoppable}STOPPABLE, NOT_PAUSABLE, IGNORES_SHUTDOWN)\r\n        \
         WIN32_EXIT_CODE    : 0  (0x0)\r\n        SERVICE_EXIT_CODE  : 0  (0x0)\r\n        \
         CHECKPOINT         : 0x0\r\n        WAIT_HINT          : 0x0\r\n",
        service.name
    )
}

pub(super) async fn sc(surroundings: &Surroundings, arguments: &[String]) -> i32 {
    let verb = arguments.first().map(|a| a.to_ascii_lowercase()).unwrap_or_default();
    let name = arguments.get(1).map(String::as_str);
    let (title, outcome) = match (verb.as_str(), name) {
        ("query" | "queryex", None) => {
            let all: String = {
                let state = surroundings.machine.state();
                state
                    .services
                    .all()
                    .iter()
                    .filter(|s| s.state == ServiceState::Running)
                    .map(describe)
                    .collect()
            };
            surroundings.print(&all).await;
            return 0;
        }
        ("query" | "queryex", Some(name)) => {
            let found = surroundings.machine.state().services.get(name).map(describe);
            match found {
                Some(text) => {
                    surroundings.print(&text).await;
                    return 0;
                }
                None => ("EnumQueryServicesStatus:OpenService", Err(ServiceError::NotFound)),
            }
        }
        ("start", Some(name)) => {
            let administrator = surroundings.is_administrator();
            ("StartService", surroundings.machine.state().services.start(name, administrator))
        }
        ("stop", Some(name)) => {
            let administrator = surroundings.is_administrator();
            ("ControlService", surroundings.machine.state().services.stop(name, false, administrator))
        }
        _ => {
            surroundings.print(&format!("\r\n*** Unrecognized Command ***\r\nERROR:  {verb}\r\n")).await;
            return 1639;
        }
    };
    match outcome {
        Ok(()) => {
            let text = name.and_then(|n| surroundings.machine.state().services.get(n).map(describe));
            surroundings.print(&text.unwrap_or_default()).await;
            0
        }
        Err(error) => {
            let (code, text) = system_error(&error);
            let title = if error == ServiceError::AccessDenied || error == ServiceError::NotFound {
                title.rsplit(':').next().filter(|t| *t == "OpenService").map_or("OpenService", |_| title)
            } else {
                title
            };
            surroundings.print(&format!("[SC] {title} FAILED {code}:\r\n\r\n{text}\r\n\r\n")).await;
            code
        }
    }
}

pub(super) async fn net(surroundings: &Surroundings, arguments: &[String]) -> i32 {
    let verb = arguments.first().map(|a| a.to_ascii_lowercase()).unwrap_or_default();
    match (verb.as_str(), arguments.get(1)) {
        ("start", None) => {
            let names: String = {
                let state = surroundings.machine.state();
                let running = state.services.all().iter().filter(|s| s.state == ServiceState::Running);
                running.map(|s| format!("   {}\r\n", s.display_name)).collect()
            };
            surroundings
                .print(&format!(
                    "These Windows services are started:\r\n\r\n{names}\r\nThe command completed successfully.\r\n\r\n"
                ))
                .await;
            0
        }
        ("start" | "stop", Some(name)) => net_control(surroundings, verb == "start", name).await,
        _ => {
            surroundings
                .complain("The syntax of this command is:\r\n\r\nNET\r\n    [ START | STOP ]\r\n")
                .await;
            1
        }
    }
}

async fn net_control(surroundings: &Surroundings, start: bool, name: &str) -> i32 {
    let administrator = surroundings.is_administrator();
    let (outcome, title) = {
        let mut state = surroundings.machine.state();
        let title = state.services.get(name).map_or(name, |s| s.display_name).to_owned();
        let outcome = if start {
            state.services.start(name, administrator)
        } else {
            state.services.stop(name, true, administrator)
        };
        (outcome, title)
    };
    let (doing, done) = if start { ("starting", "started") } else { ("stopping", "stopped") };
    let complaint = match outcome {
        Ok(()) => {
            surroundings
                .print(&format!(
                    "The {title} service is {doing}.\r\nThe {title} service was {done} successfully.\r\n\r\n"
                ))
                .await;
            return 0;
        }
        Err(ServiceError::NotFound) => {
            "The service name is invalid.\r\n\r\nMore help is available by typing NET HELPMSG 2185.".to_owned()
        }
        Err(ServiceError::AlreadyRunning) => {
            "The requested service has already been started.\r\n\r\nMore help is available by typing NET HELPMSG 2182."
                .to_owned()
        }
        Err(ServiceError::NotRunning) => {
            format!("The {title} service is not started.\r\n\r\nMore help is available by typing NET HELPMSG 3521.")
        }
        Err(error) => {
            let (code, text) = system_error(&error);
            surroundings.complain(&format!("System error {code} has occurred.\r\n\r\n{text}\r\n\r\n")).await;
            return 2;
        }
    };
    surroundings.complain(&format!("{complaint}\r\n\r\n")).await;
    2
}
