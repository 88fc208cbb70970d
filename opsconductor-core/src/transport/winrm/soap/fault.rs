//! Faults: what a host answers when it does not do what it was asked.

use super::{Action, tree::Element};
use crate::{Error, error::Layer};

/// The numbers that hosts give, as far as something hangs on them.
pub(in super::super) mod code {
    /// Nothing to report yet: ask again.
    pub(in crate::transport::winrm) const TIMED_OUT: u32 = 2_150_858_793;
    pub(in crate::transport::winrm) const SHELL_NOT_FOUND: u32 = 2_150_858_843;
    pub(in crate::transport::winrm) const SHELLS_PER_USER: u32 = 2_150_859_173;
    pub(in crate::transport::winrm) const OPERATIONS_PER_USER: u32 = 2_150_859_174;
    pub(in crate::transport::winrm) const BUSY: u32 = 170;
    pub(in crate::transport::winrm) const ABORTED: u32 = 995;
    pub(in crate::transport::winrm) const ACCESS_DENIED: u32 = 5;
    /// Of a request about a command: its shell has no such command.
    pub(in crate::transport::winrm) const INVALID_PARAMETER: u32 = 2_147_942_487;
    /// The shell runs as many processes as it may.
    pub(in crate::transport::winrm) const PROCESSES_PER_SHELL: u32 = 2_150_859_241;
    pub(in crate::transport::winrm) const COMMAND_TOO_LONG: u32 = 2_147_942_606;
}

/// The longest text of a host that goes into an error.
const REASON_CHARS_MAX: usize = 400;

/// A SOAP fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Fault {
    /// From `WSManFault`, or else from `MSFT_WmiError`.
    pub(in super::super) code: Option<u32>,
    /// The local name of the subcode, such as `TimedOut`.
    pub(in super::super) subcode: Option<String>,
    /// What the host says, in one bounded line.
    pub(in super::super) reason: String,
}

impl Fault {
    /// The fault in an answer, if it is one.
    pub(in super::super) fn read(root: &Element<'_>) -> Option<Self> {
        let fault = root.child("Body")?.child("Fault")?;
        let detail = fault.child("Detail");
        let code = detail.and_then(|detail| wsman_code(detail).or_else(|| wmi_code(detail)));
        let subcode = fault
            .child("Code")
            .and_then(|code| code.child("Subcode"))
            .and_then(|subcode| subcode.child("Value"))
            .map(|value| value.text.trim().rsplit(':').next().unwrap_or_default().to_owned());
        let said = detail
            .and_then(|detail| detail.find("Message"))
            .or_else(|| fault.child("Reason"))
            .map(Element::all_text)
            .unwrap_or_default();
        Some(Self { code, subcode, reason: one_line(&said) })
    }

    pub(in super::super) fn is(&self, code: u32) -> bool {
        self.code == Some(code)
    }

    /// The host had nothing to say within the operation time-out.
    pub(in super::super) fn is_timed_out(&self) -> bool {
        self.is(code::TIMED_OUT) || (self.code.is_none() && self.subcode.as_deref() == Some("TimedOut"))
    }

    pub(in super::super) fn is_shell_gone(&self) -> bool {
        self.is(code::SHELL_NOT_FOUND)
    }

    /// A request about a command was refused because there is no such command (any more).
    pub(in super::super) fn is_command_gone(&self) -> bool {
        self.is_shell_gone() || self.is(code::INVALID_PARAMETER)
    }

    /// The host refused for want of room: the same request may pass a little later.
    pub(in super::super) fn is_quota(&self) -> bool {
        self.is(code::SHELLS_PER_USER) || self.is(code::OPERATIONS_PER_USER) || self.is(code::BUSY)
    }

    /// The error for the caller.
    pub(in super::super) fn into_error(self, action: Action) -> Error {
        let layer = match action {
            Action::Create | Action::Command => Layer::Shell,
            _ => Layer::Protocol,
        };
        let message = match self.code {
            Some(code::ACCESS_DENIED) => {
                "the host denies this account a remote shell; add it to Remote Management Users or Administrators"
                    .to_owned()
            }
            Some(code::SHELLS_PER_USER) => {
                "the host has as many shells of this user as it allows (MaxShellsPerUser)".to_owned()
            }
            Some(code::OPERATIONS_PER_USER) => {
                "the host has as many operations of this user as it allows (MaxConcurrentOperationsPerUser)"
                    .to_owned()
            }
            Some(code::BUSY) => "the host is busy".to_owned(),
            Some(code::SHELL_NOT_FOUND) => "the host no longer knows the shell".to_owned(),
            Some(code::ABORTED) => "the host aborted the operation".to_owned(),
            Some(code::COMMAND_TOO_LONG) => "the command line is longer than the host allows".to_owned(),
            _ if self.reason.is_empty() => "the host answered with a fault and no reason".to_owned(),
            _ => format!("the host answered with a fault: {}", self.reason),
        };
        let retryable = self.is_quota();
        let mut error =
            Error::transport(layer, message).with("operation", action.name()).with_retryable(retryable);
        if let Some(code) = self.code {
            error = error.with_code(code).with("code", code);
        } else if let Some(subcode) = self.subcode {
            error = error.with("subcode", subcode);
        }
        error
    }
}

fn wsman_code(detail: &Element<'_>) -> Option<u32> {
    number(&detail.find("WSManFault")?.attribute("Code").ok()??)
}

fn wmi_code(detail: &Element<'_>) -> Option<u32> {
    number(&detail.find("MSFT_WmiError")?.find("error_Code")?.text)
}

/// Hosts write codes as unsigned or as signed numbers of 32 bits.
fn number(text: &str) -> Option<u32> {
    let value: i64 = text.trim().parse().ok()?;
    u32::try_from(value).ok().or_else(|| i32::try_from(value).ok().map(i32::cast_unsigned))
}

fn one_line(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(REASON_CHARS_MAX) {
        line.truncate(end);
        line.push('…');
    }
    line.trim_end_matches('.').trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::{super::Action, Fault, code};
    use crate::{
        error::{ErrorKind, Layer},
        transport::winrm::soap::tree,
    };

    fn fault(detail: &str) -> Fault {
        let document = format!(
            "<s:Envelope xmlns:s='e'><s:Header/><s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value>\
             <s:Subcode><s:Value>w:TimedOut</s:Value></s:Subcode></s:Code>\
             <s:Reason><s:Text xml:lang='en-US'>No answer\n in time. </s:Text></s:Reason>\
             <s:Detail>{detail}</s:Detail></s:Fault></s:Body></s:Envelope>"
        );
        Fault::read(&tree::parse(&document).unwrap()).unwrap()
    }

    #[test]
    fn the_code_of_a_wsman_fault_is_read() {
        let fault = fault(
            "<f:WSManFault xmlns:f='f' Code='2150858793' Machine='h'><f:Message>Deeper \
             <f:ProviderFault>text</f:ProviderFault></f:Message></f:WSManFault>",
        );
        assert!(fault.is_timed_out());
        assert_eq!(fault.reason, "Deeper text");
    }

    #[test]
    fn the_code_of_a_wmi_error_is_read_signed_too() {
        let document = |number: &str| {
            format!(
                "<p:MSFT_WmiError xmlns:p='p'><p:error_Category>30</p:error_Category>\
                 <p:error_Code>{number}</p:error_Code></p:MSFT_WmiError>"
            )
        };
        assert_eq!(fault(&document("2150859174")).code, Some(code::OPERATIONS_PER_USER));
        assert_eq!(fault(&document("-2144108122")).code, Some(code::OPERATIONS_PER_USER));
        assert_eq!(fault(&document("nonsense")).code, None);
    }

    #[test]
    fn a_fault_without_a_number_keeps_its_subcode() {
        let fault = fault("");
        assert_eq!((fault.code, fault.subcode.as_deref()), (None, Some("TimedOut")));
        assert!(fault.is_timed_out());
        assert_eq!(fault.reason, "No answer in time");
    }

    #[test]
    fn errors_name_layer_and_number_and_only_quotas_are_retryable() {
        let quota = Fault { code: Some(code::SHELLS_PER_USER), subcode: None, reason: String::new() };
        let error = quota.into_error(Action::Create);
        assert_eq!((error.kind(), error.layer()), (ErrorKind::Transport, Some(Layer::Shell)));
        assert_eq!(error.code(), Some(code::SHELLS_PER_USER));
        assert!(error.is_retryable());
        let denied = Fault { code: Some(code::ACCESS_DENIED), subcode: None, reason: "x".into() };
        assert!(!denied.into_error(Action::Create).is_retryable());
    }

    #[test]
    fn an_answer_without_a_fault_has_none() {
        let root = tree::parse("<Envelope><Body><ReceiveResponse/></Body></Envelope>").unwrap();
        assert_eq!(Fault::read(&root), None);
    }
}
