//! Faults in the shape Windows gives them, with the numbers of `wsmerror.h` and `winerror.h`.

use super::{
    names,
    response::{self, escape},
};

/// A fault: its SOAP codes, its number and its sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// `s:Sender`, `s:Receiver` or `s:MustUnderstand`.
    code: &'static str,
    /// The subcode with one of the prefixes the envelope declares; empty for none.
    subcode: &'static str,
    /// The number in the `WSManFault` element.
    pub(crate) number: u32,
    /// The sentence.
    message: String,
    /// A `FaultDetail` URI's last part.
    detail: Option<&'static str>,
    /// Written as `MSFT_WmiError` instead of `WSManFault`.
    wmi: bool,
}

impl Fault {
    /// 5: not this user's shell.
    pub(crate) fn access_denied() -> Self {
        Self::new("s:Sender", "w:AccessDenied", 5, "Access is denied. ")
    }

    /// 170: a Send or Receive of the same command is still at work.
    pub(crate) fn busy() -> Self {
        Self::new("s:Receiver", "w:InternalError", 170, "The requested resource is in use. ")
    }

    /// 232: the command no longer reads its standard input.
    pub(crate) fn pipe_closing() -> Self {
        Self::new("s:Receiver", "w:InternalError", 232, "The pipe is being closed. ")
    }

    /// 995: the command or the shell was ended while the message was at work.
    pub(crate) fn aborted() -> Self {
        let message =
            "The I/O operation has been aborted because of either a thread exit or an application request. ";
        Self::new("s:Receiver", "w:InternalError", 995, message)
    }

    /// 2150858793: nothing to report within the operation time-out.
    pub(crate) fn timed_out() -> Self {
        let message = "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.  ";
        Self::new("s:Receiver", "w:TimedOut", 2_150_858_793, message)
    }

    /// 2150858843: no such shell.
    pub(crate) fn shell_not_found(shell: &str) -> Self {
        let message = format!(
            "The request for the Windows Remote Shell with ShellId {shell} failed because the shell was not found on \
             the server. Possible causes are: the specified ShellId is incorrect or the shell no longer exists on \
             the server. Provide the correct ShellId or create a new shell and retry the operation. "
        );
        Self::new("s:Sender", "w:InvalidSelectors", 2_150_858_843, message).detailed("UnexpectedSelectors")
    }

    /// 2150858842: no `ShellId` selector.
    pub(crate) fn shell_missing() -> Self {
        let message = "The Windows Remote Shell cannot process the request because it requires the following \
                       selector: ShellId. Retry with the correct selector. ";
        Self::new("s:Sender", "w:InvalidSelectors", 2_150_858_842, message).detailed("InsufficientSelectors")
    }

    /// 2147942487: no such command in the shell, or an argument that is out of place.
    pub(crate) fn invalid_parameter() -> Self {
        Self::new("s:Sender", "w:InvalidParameter", 2_147_942_487, "The parameter is incorrect. ")
    }

    /// 2147942606: the command line is longer than `CreateProcess` takes.
    pub(crate) fn command_too_long() -> Self {
        Self::new("s:Receiver", "w:InternalError", 2_147_942_606, "The filename or extension is too long. ")
    }

    /// 2150859173: too many shells.
    pub(crate) fn shells_exceeded(limit: usize) -> Self {
        let message = format!(
            "The WS-Management service cannot process the request. This user is allowed a maximum number of {limit} \
             concurrent shells, which has been exceeded. Close existing shells or raise the quota for this user. "
        );
        Self::new("s:Sender", "w:QuotaLimit", 2_150_859_173, message)
    }

    /// 2150859174: too many operations.
    pub(crate) fn operations_exceeded(limit: usize) -> Self {
        let message = format!(
            "The WS-Management service cannot process the request. This user is allowed a maximum number of {limit} \
             concurrent operations, which has been exceeded. Close existing operations for this user, or raise the \
             quota for this user. "
        );
        Self::new("s:Sender", "w:QuotaLimit", 2_150_859_174, message)
    }

    /// 2150859241: too many processes in one shell.
    pub(crate) fn processes_exceeded() -> Self {
        let message = "The WS-Management service cannot process the request. The maximum number of concurrent \
                       commands per shell has been exceeded. Retry the request later or raise the Maximum Commands \
                       per Shell quota. ";
        Self::new("s:Sender", "w:QuotaLimit", 2_150_859_241, message)
    }

    /// 2150858819: not an envelope.
    pub(crate) fn invalid_xml() -> Self {
        let message = "The WS-Management service cannot process the request because the XML is invalid. ";
        Self::new("s:Sender", "w:SchemaValidationError", 2_150_858_819, message)
    }

    /// 2150858817: the body does not have the shape the action wants.
    pub(crate) fn schema() -> Self {
        let message = "The WS-Management service cannot process the request. The SOAP packet did not conform to the \
                       schema expected. ";
        Self::new("s:Sender", "w:SchemaValidationError", 2_150_858_817, message)
    }

    /// 2150858769: a header is missing.
    pub(crate) fn header_required(name: &str) -> Self {
        let message = format!(
            "The WS-Management service cannot process the request because the message information header {name} is \
             missing. "
        );
        Self::new("s:Sender", "a:MessageInformationHeaderRequired", 2_150_858_769, message)
    }

    /// 2150858767: a header has a value it cannot have.
    pub(crate) fn invalid_header(name: &str) -> Self {
        let message = format!(
            "The WS-Management service cannot process the request because the message information header {name} has \
             an invalid value. "
        );
        Self::new("s:Sender", "a:InvalidMessageInformationHeader", 2_150_858_767, message)
    }

    /// 2150858768: a header that must be understood is not.
    pub(crate) fn must_understand(name: &str) -> Self {
        let message = format!(
            "The WS-Management service cannot process the request because the header {name} must be understood and is \
             not. "
        );
        Self::new("s:MustUnderstand", "", 2_150_858_768, message)
    }

    /// 2150858771: an unknown action.
    pub(crate) fn unknown_action() -> Self {
        let message = "The WS-Management service cannot process the request because the request contained an unknown \
                       action URI. ";
        Self::new("s:Sender", "a:ActionNotSupported", 2_150_858_771, message)
    }

    /// 2150858811: an unknown resource.
    pub(crate) fn unknown_resource(uri: &str) -> Self {
        let message = format!(
            "The WS-Management service cannot process the request. The resource URI ({uri}) was not found in the \
             WS-Management catalog. "
        );
        Self::new("s:Sender", "a:DestinationUnreachable", 2_150_858_811, message)
            .detailed("InvalidResourceURI")
    }

    /// 2150858809: an option with a value it cannot have.
    pub(crate) fn invalid_option() -> Self {
        let message =
            "The WS-Management service cannot process the request. An option has an invalid value. ";
        Self::new("s:Sender", "w:InvalidOptions", 2_150_858_809, message).detailed("InvalidValue")
    }

    /// 2150859204: nobody is connected to the shell.
    pub(crate) fn shell_disconnected() -> Self {
        let message =
            "The Windows Remote Shell cannot process the request because the shell is disconnected. ";
        Self::new("s:Receiver", "w:InternalError", 2_150_859_204, message)
    }

    /// 2150859205: the shell was opened without a session.
    pub(crate) fn disconnect_unsupported() -> Self {
        let message =
            "The Windows Remote Shell does not support disconnecting: it was created without a SessionId. ";
        Self::new("s:Sender", "w:UnsupportedFeature", 2_150_859_205, message)
    }

    /// 2150859206: the shell belongs to another session.
    pub(crate) fn session_mismatch() -> Self {
        let message =
            "The Windows Remote Shell cannot process the request because its SessionId is not the shell's. ";
        Self::new("s:Sender", "w:InvalidParameter", 2_150_859_206, message)
    }

    /// 2150859213: another session is connected to the shell.
    pub(crate) fn connected_elsewhere() -> Self {
        let message =
            "The Windows Remote Shell cannot process the request because another client is connected to it. ";
        Self::new("s:Sender", "w:InvalidParameter", 2_150_859_213, message)
    }

    /// 2150859215: the shell is disconnected already.
    pub(crate) fn disconnect_invalid() -> Self {
        let message = "The disconnect operation is not valid in the state the Windows Remote Shell is in. ";
        Self::new("s:Sender", "w:InvalidParameter", 2_150_859_215, message)
    }

    /// 2150859216: the shell is not disconnected.
    pub(crate) fn reconnect_invalid() -> Self {
        let message = "The reconnect operation is not valid in the state the Windows Remote Shell is in. ";
        Self::new("s:Sender", "w:InvalidParameter", 2_150_859_216, message)
    }

    /// 2150858779: an enumeration that is not at work.
    pub(crate) fn invalid_enumeration() -> Self {
        let message =
            "The WS-Management service cannot process the request. The enumeration context is invalid. ";
        Self::new("s:Receiver", "n:InvalidEnumerationContext", 2_150_858_779, message)
    }

    /// Any number at all, in one of the two shapes, for a fault on demand.
    pub(crate) fn on_demand(number: u32, wmi: bool) -> Self {
        let message =
            format!("The WS-Management service cannot process the request: fault {number} on demand. ");
        Self { wmi, ..Self::new("s:Receiver", "w:InternalError", number, message) }
    }

    /// Writes the fault as an envelope.
    pub(crate) fn envelope(&self, machine: &str, relates_to: &str) -> String {
        let subcode = match self.subcode {
            "" => String::new(),
            subcode => format!("<s:Subcode><s:Value>{subcode}</s:Value></s:Subcode>"),
        };
        let detail = self.detail.map_or_else(String::new, |detail| {
            format!("<w:FaultDetail>http://schemas.dmtf.org/wbem/wsman/1/wsman/faultDetail/{detail}</w:FaultDetail>")
        });
        let message = escape(&self.message);
        let body = format!(
            "<s:Fault><s:Code><s:Value>{}</s:Value>{subcode}</s:Code><s:Reason><s:Text xml:lang=\"en-US\">{message}\
             </s:Text></s:Reason><s:Detail>{detail}{}</s:Detail></s:Fault>",
            self.code,
            if self.wmi { self.wmi_error(&message) } else { self.wsman_fault(machine, &message) },
        );
        response::envelope(self.action(), relates_to, &body)
    }

    fn wsman_fault(&self, machine: &str, message: &str) -> String {
        format!(
            "<f:WSManFault xmlns:f=\"{}\" Code=\"{}\" Machine=\"{}\"><f:Message>{message}</f:Message></f:WSManFault>",
            names::FAULT,
            self.number,
            escape(machine),
        )
    }

    fn wmi_error(&self, message: &str) -> String {
        let class = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/MSFT_WmiError";
        format!(
            "<m:MSFT_WmiError b:IsCIM_Error=\"true\" xmlns:b=\"http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd\" \
             xmlns:m=\"{class}\"><m:CIMStatusCode>27</m:CIMStatusCode><m:Message>{message}</m:Message>\
             <m:MessageID>HRESULT 0x{0:x}</m:MessageID><m:error_Code>{0}</m:error_Code></m:MSFT_WmiError>",
            self.number,
        )
    }

    fn new(code: &'static str, subcode: &'static str, number: u32, message: impl Into<String>) -> Self {
        Self { code, subcode, number, message: message.into(), detail: None, wmi: false }
    }

    fn detailed(mut self, detail: &'static str) -> Self {
        self.detail = Some(detail);
        self
    }

    fn action(&self) -> &'static str {
        if self.subcode.starts_with("a:") {
            "http://schemas.xmlsoap.org/ws/2004/08/addressing/fault"
        } else {
            "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
        }
    }
}
