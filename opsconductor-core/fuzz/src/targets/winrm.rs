//! What Windows hosts answer.

use opsconductor_core::transport::winrm::fuzzing;

use super::{Target, seeds_of, text};
use crate::random::Random;

/// An answer in SOAP.
pub(super) const SOAP: Target = Target {
    name: "soap",
    seeds: || {
        seeds_of(&[
            "<s:Envelope xmlns:s='s'><s:Body><r:ReceiveResponse xmlns:r='r'><r:Stream Name='stdout' CommandId='c'>YQ==</r:Stream>\
             <r:CommandState CommandId='c' State='http://x/CommandState/Done'><r:ExitCode>0</r:ExitCode></r:CommandState>\
             </r:ReceiveResponse></s:Body></s:Envelope>",
            "<E><Body><ResourceCreated><ReferenceParameters><SelectorSet><Selector Name='ShellId'>A-2</Selector></SelectorSet>\
             </ReferenceParameters></ResourceCreated></Body></E>",
            "<s:Envelope xmlns:s='s'><s:Body><s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>w:TimedOut</s:Value>\
             </s:Subcode></s:Code><s:Reason><s:Text>&lt;late&#x21;</s:Text></s:Reason><s:Detail><f:WSManFault Code='2150858793'>\
             <f:Message>x</f:Message></f:WSManFault></s:Detail></s:Fault></s:Body></s:Envelope>",
            "<E><Body><IdentifyResponse><ProductVendor>M</ProductVendor><ProductVersion>OS: 10</ProductVersion></IdentifyResponse></Body></E>",
        ])
    },
    words: &[
        "<a>",
        "</a>",
        "<a/>",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "<!DOCTYPE a [<!ENTITY b 'c'>]>",
        "&b;",
        "&#0;",
        "&#x110000;",
        "<?xml",
        "?>",
        " xmlns:a='b'",
        "Name='stderr'",
        "4294967296",
    ],
    check: |input, _| {
        fuzzing::soap(&text(input));
        Ok(())
    },
};

/// What PowerShell writes to standard error.
pub(super) const CLIXML: Target = Target {
    name: "clixml",
    seeds: || {
        seeds_of(&[
            "#< CLIXML\r\n<Objs Version=\"1.1.0.1\" xmlns=\"http://schemas.microsoft.com/powershell/2004/04\"><S S=\"Error\">e_x000D__x000A_\
             &amp;_xD83D__xDE00_</S><Obj S=\"progress\" RefId=\"0\"><TN RefId=\"0\"><T>x</T></TN><MS><I64 N=\"a\">1</I64></MS></Obj></Objs>",
            "native 1\r\n#< CLIXML\r\n<Objs><S S=\"Warning\">w</S>native 2</Objs>\r\nmore",
        ])
    },
    words: &[
        "#< CLIXML",
        "\r\n",
        "<S S=\"Error\">",
        "</S>",
        "<Obj>",
        "</Obj>",
        "</Objs>",
        "_x",
        "_xD83D_",
        "_x005F_",
        "&#x",
        "&quot;",
    ],
    check: clixml,
};

fn clixml(input: &[u8], random: &mut Random) -> Result<(), String> {
    let whole = fuzzing::clixml(&[input]);
    let (mut pieces, mut left) = (Vec::new(), input);
    while !left.is_empty() {
        let (piece, after) = left.split_at(1 + random.below(left.len()));
        pieces.push(piece);
        left = after;
    }
    if fuzzing::clixml(&pieces) == whole {
        Ok(())
    } else {
        Err("what comes in pieces comes out otherwise".to_owned())
    }
}

/// The frame of a sealed message.
pub(super) const FRAME: Target = Target {
    name: "frame",
    seeds: || {
        let mut frame =
            b"--Encrypted Boundary\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n\
            \tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=5\r\n--Encrypted Boundary\r\n\
            \tContent-Type: application/octet-stream\r\n\x10\0\0\0"
                .to_vec();
        frame.extend_from_slice(&[7; 16]);
        frame.extend_from_slice(b"hello--Encrypted Boundary--\r\n");
        vec![frame]
    },
    words: &["--Encrypted Boundary\r\n", "--Encrypted Boundary--", "Length=", "\r\n", "99999999999999999999"],
    check: |input, _| match fuzzing::frame(input) {
        Some(sealed) if sealed > input.len() => Err("it holds more than there is".to_owned()),
        _ => Ok(()),
    },
};
