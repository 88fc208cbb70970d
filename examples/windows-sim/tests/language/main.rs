//! The dialect in a table: a script, what it prints, what its errors say and its exit code.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod progress;
mod what_if;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use windows_sim::machine::{Machine, SpawnRequest, StreamName};

/// Standard output and error, with plain line ends, and the exit code.
async fn spawn(machine: &Arc<Machine>, command: &str, stdin: &'static str) -> (String, String, i32) {
    let mut process = machine.spawn(SpawnRequest {
        command: command.to_owned(),
        arguments: Vec::new(),
        skip_cmd_shell: false,
        environment: Vec::new(),
        working_directory: None,
        code_page: 65001,
        user: "WEB-1\\ada".to_owned(),
    });
    if !stdin.is_empty() {
        process.stdin.as_ref().unwrap().send(stdin.into()).await.unwrap();
    }
    process.stdin = None;
    let mut streams = [Vec::new(), Vec::new()];
    while let Some((stream, bytes)) = process.output.recv().await {
        streams[usize::from(stream == StreamName::Stderr)].extend_from_slice(&bytes);
    }
    let [out, err] = streams.map(|bytes| String::from_utf8(bytes).unwrap().replace("\r\n", "\n"));
    (out, err, process.exit.await.unwrap())
}

async fn powershell(machine: &Arc<Machine>, script: &str, stdin: &'static str) -> (String, String, i32) {
    let bytes: Vec<u8> = script.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let line = format!("powershell -NoProfile -OutputFormat Text -EncodedCommand {}", STANDARD.encode(bytes));
    spawn(machine, &line, stdin).await
}

/// The command line of `powershell.exe` for a script, with its errors serialized.
fn encoded(script: &str) -> String {
    let bytes: Vec<u8> = script.encode_utf16().flat_map(u16::to_le_bytes).collect();
    format!("powershell -EncodedCommand {}", STANDARD.encode(bytes))
}

/// Scripts that end well: what they print.
const PRINTS: &[(&str, &str)] = &[
    ("1..3 | ForEach-Object { \"line $_\" }", "line 1\nline 2\nline 3\n"),
    ("$env:COMPUTERNAME; whoami; hostname", "WEB-1\nweb-1\\ada\nWEB-1\n"),
    ("$PSVersionTable.PSVersion.ToString()", "5.1.20348.2700\n"),
    ("\"{0:N2}|{1,5}|{1,-3}|{2:X}\" -f 1234.5, 'a', 255", "1,234.50|    a|a  |FF\n"),
    ("\"$(1,2,3) $((Get-Service Spooler).Name) `$x `\"q`\"\"; 'a''b'", "1 2 3 Spooler $x \"q\"\na'b\n"),
    ("“smart $(1)”; ‘it’", "smart 1\nit\n"),
    ("@'\nraw $x\n'@; @\"\nsum $(1+1)\n\"@", "raw $x\nsum 2\n"),
    (
        "10/4; 7%3; 2+3*4; [int]'5'+1; 'x'+1; 'ab'*2; 1..3 -join ','; 5..3",
        "2.5\n1\n14\n6\nx1\nabab\n1,2,3\n5\n4\n3\n",
    ),
    (
        "'a,b' -split ','; 'abc' -replace '(b)','<$1>'; 'abc' -match 'b(.)'; $Matches[1]",
        "a\nb\na<b>c\nTrue\nc\n",
    ),
    (
        "1,2,3 -contains 2; 'A' -eq 'a'; 'A' -ceq 'a'; 'abc' -like 'a*'; 2 -in 1,2",
        "True\nTrue\nFalse\nTrue\nTrue\n",
    ),
    (
        "$h=@{a=1}; $h.b=2; $h['c']=3; $h.Count; $h.ContainsKey('B'); ($h.Keys | sort) -join ''",
        "3\nTrue\nabc\n",
    ),
    ("[pscustomobject]@{Name='x';Value='10'}", "\nName Value\n---- -----\nx    10   \n\n\n"),
    ("function f([int]$a,$b=2){ return $a+$b }; f 1; f -b 5 -a 6", "3\n11\n"),
    ("function g { param([switch]$On) process { \"$_ $On\" } }; 1,2 | g -On", "1 True\n2 True\n"),
    (
        "switch (3) { 1 {'one'} 3 {'three'} default {'d'} }; switch -Regex ('ab') { '^a' {'hit'} }",
        "three\nhit\n",
    ),
    ("$i=0; while($true){ $i++; if($i -gt 3){break}; if($i -eq 2){continue}; $i }", "1\n3\n"),
    ("for($j=0;$j -lt 2;$j++){$j}; do{$k++}until($k -ge 4); $k", "0\n1\n4\n"),
    (":o foreach($a in 1..2){ foreach($b in 1..2){ if($b -eq 2){ continue o }; \"$a$b\" } }", "11\n21\n"),
    ("try { throw 'x' } catch { \"c $_\" } finally { 'f' }", "c x\nf\n"),
    ("try { [IO.File]::ReadAllText('C:\\no') } catch [IO.FileNotFoundException] { 'typed' }", "typed\n"),
    (
        "try { Get-Item C:\\no -EA Stop } catch { $_.FullyQualifiedErrorId }",
        "PathNotFound,Microsoft.PowerShell.Commands.GetItemCommand\n",
    ),
    (
        "Set-Content C:\\temp\\a.txt 'one','two'; (Get-Content C:\\temp\\a.txt).Count; (Get-Content C:\\temp\\a.txt -Raw).Length",
        "2\n10\n",
    ),
    (
        "Join-Path C:\\a b; Test-Path C:\\temp -PathType Container; Split-Path C:\\a\\b.txt -Leaf",
        "C:\\a\\b\nTrue\nb.txt\n",
    ),
    (
        "@{a=1} | ConvertTo-Json -Compress; (ConvertFrom-Json '{\"k\":[1,{\"z\":\"v\"}]}').k[1].z",
        "{\"a\":1}\nv\n",
    ),
    (
        "[ordered]@{a=1;b=@(1,'<')} | ConvertTo-Json",
        "{\n    \"a\":  1,\n    \"b\":  [\n              1,\n              \"\\u003c\"\n          ]\n}\n",
    ),
    (
        "3,1,2 | sort -Descending; 1..5 | measure -Sum | select -Expand Sum; 1..9 | select -First 2 | % { $_ }",
        "3\n2\n1\n15\n1\n2\n",
    ),
    (
        "Get-Service | ? Status -eq 'Stopped' | % Name | select -First 1; (Get-Service spooler).Status -eq 'Running'",
        "BITS\nTrue\n",
    ),
    ("cmd /c exit 5; $LASTEXITCODE; $x = ipconfig; $x.Count -gt 3; 'b','a' | sort.exe", "5\nTrue\na\nb\n"),
    ("& { Write-Error e } 2>&1 | % { \"merged $_\" }; Get-Item C:\\no 2>$null; 'end'", "merged e\nend\n"),
    ("Write-Host hi; Write-Warning w; Write-Verbose v -Verbose", "hi\nWARNING: w\nVERBOSE: v\n"),
    (
        "$sb=New-Object Text.StringBuilder; [void]$sb.Append('a').Append('b'); \"$sb\"; (New-Object byte[] 3).Length",
        "ab\n3\n",
    ),
    (
        "[Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes('h\u{e9}')); [BitConverter]::ToString([byte[]](1,255))",
        "aMOp\n01-FF\n",
    ),
    ("& { param($x) \"got $x\" } 5; iex '1+1'; $y = if(1){'t'}; $y", "got 5\n2\nt\n"),
    ("return 1; 'never'", "1\n"),
    ("1..100000 | select -First 1; $i=0; while($i -lt 5000){$i++}; $i", "1\n5000\n"),
];

#[tokio::test]
async fn scripts_print_what_powershell_prints() {
    for (script, expected) in PRINTS {
        let (out, err, code) = powershell(&Machine::new("WEB-1"), script, "").await;
        assert_eq!((out.as_str(), err.as_str(), code), (*expected, "", 0), "{script}");
    }
}

/// Scripts with errors: what they print, a part of what they complain (on one line), and the exit code.
const FAILS: &[(&str, &str, &str, i32)] = &[
    ("exit 3", "", "", 3),
    (
        "throw 'boom'; 'never'",
        "",
        "boom At line:1 char:1 + throw 'boom'; 'never' + ~~~~~~~~~~~~ + CategoryInfo : OperationStopped: (boom:String) [], RuntimeException + FullyQualifiedErrorId : boom",
        1,
    ),
    (
        "Write-Error 'soft'; 'next'",
        "next\n",
        "Write-Error 'soft'; 'next' : soft + CategoryInfo : NotSpecified: (:) [Write-Error], WriteErrorException",
        0,
    ),
    ("'before'; Write-Error 'last'", "before\n", "WriteErrorException", 1),
    ("$ErrorActionPreference='Stop'; Write-Error 'x'; 'never'", "", ": x", 1),
    (
        "nosuch -a; 'on'",
        "on\n",
        "nosuch : The term 'nosuch' is not recognized as the name of a cmdlet, function, script file, or operable program. Check the spelling of the name, or if a path was included, verify that the path is correct and try again. At line:1 char:1 + nosuch -a; 'on' + ~~~~~~~~~ + CategoryInfo : ObjectNotFound: (nosuch:String) [], CommandNotFoundException + FullyQualifiedErrorId : CommandNotFoundException",
        0,
    ),
    (
        "Get-Content C:\\no.txt",
        "",
        "Get-Content : Cannot find path 'C:\\no.txt' because it does not exist.",
        1,
    ),
    (
        "[Convert]::FromBase64String('!'); 'on'",
        "on\n",
        "Exception calling \"FromBase64String\" with \"1\" argument(s): \"",
        0,
    ),
    ("1/0", "", "Attempted to divide by zero.", 1),
    ("$null.X()", "", "You cannot call a method on a null-valued expression.", 1),
    ("[No.Such]::X", "", "Unable to find type [No.Such].", 1),
    (
        "'a'.Nope()",
        "",
        "Method invocation failed because [System.String] does not contain a method named 'Nope'.",
        1,
    ),
    ("Get-Service -Nope x", "", "A parameter cannot be found that matches parameter name 'Nope'.", 1),
    (
        "Stop-Service WinDefend",
        "",
        "Stop-Service : Service 'Windows Defender Antivirus Service (WinDefend)' cannot be stopped",
        1,
    ),
    (
        "Stop-Service EventLog",
        "",
        "because it has dependent services. It can only be stopped if the Force flag is set.",
        1,
    ),
    ("'never'; if ($true { 1 }", "", "Missing closing ')' after expression in 'if' statement.", 1),
    ("'a' && 'b'", "", "The token '&&' is not a valid statement separator in this version.", 1),
    ("function f { f }; f", "", "The script failed due to call depth overflow.", 1),
    ("function t { Write-Error 'in' }; t; 'on'", "on\n", "t : in At line:1 char:34 + ...", 0),
];

#[tokio::test]
async fn errors_read_as_powershell_writes_them() {
    for (script, expected, part, code) in FAILS {
        let (out, err, ended) = powershell(&Machine::new("WEB-1"), script, "").await;
        let one_line = err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!((out.as_str(), ended), (*expected, *code), "{script}: {err}");
        let part = part.trim_end_matches(" + ...");
        assert!(one_line.contains(part), "{script}: {one_line}");
    }
}

/// Lines for `cmd /c`: output, errors and exit code.
const COMMANDS: &[(&str, &str, &str, i32)] = &[
    ("echo hi", "hi\n", "", 0),
    ("echo %COMPUTERNAME% %NOPE%", "WEB-1 %NOPE%\n", "", 0),
    ("echo a&&echo b||echo c", "a\nb\n", "", 0),
    (
        "nosuch||echo c",
        "c\n",
        "'nosuch' is not recognized as an internal or external command,\noperable program or batch file.\n",
        0,
    ),
    ("exit 7", "", "", 7),
    ("echo b a|findstr a", "b a\n", "", 0),
    ("echo x>C:\\temp\\o&echo y>>C:\\temp\\o&type C:\\temp\\o", "x\ny\n", "", 0),
    ("type C:\\nope", "", "The system cannot find the file specified.\n", 1),
    ("for /l %i in (1,1,3) do @echo n%i", "n1\nn2\nn3\n", "", 0),
    ("if exist C:\\temp (echo yes) else echo no", "yes\n", "", 0),
    ("cmd /c \"echo in & exit 4\"", "in \n", "", 4),
    ("echo err 1>&2", "", "err \n", 0),
    ("powershell -NoProfile -Command \"Write-Output 1; exit 4\"", "1\n", "", 4),
    (
        "powershell -File C:\\no.ps1",
        "",
        "The argument 'C:\\no.ps1' to the -File parameter does not exist. Provide the path to an existing '.ps1' file as an argument to the -File parameter.\n",
        -196608,
    ),
    (
        "sc query nope",
        "[SC] EnumQueryServicesStatus:OpenService FAILED 1060:\n\nThe specified service does not exist as an installed service.\n\n",
        "",
        1060,
    ),
];

#[tokio::test]
async fn command_lines_run_as_in_cmd() {
    for (line, out, err, code) in COMMANDS {
        let ended = spawn(&Machine::new("WEB-1"), line, "").await;
        assert_eq!((ended.0.as_str(), ended.1.as_str(), ended.2), (*out, *err, *code), "{line}");
    }
    let long = format!("echo {}", "x".repeat(8190));
    let ended = spawn(&Machine::new("WEB-1"), &long, "").await;
    assert_eq!((ended.1.as_str(), ended.2), ("The command line is too long.\n", 1));
}

#[tokio::test]
async fn standard_input_is_read_in_every_way() {
    let machine = Machine::new("WEB-1");
    let line = "[Console]::In.ReadLine(); [Console]::In.ReadToEnd().Length";
    assert_eq!(powershell(&machine, line, "one\r\ntwo").await.0, "one\n3\n");
    assert_eq!(powershell(&machine, "$input | % { \"<$_>\" }", "a\r\nb\r\n").await.0, "<a>\n<b>\n");
    assert_eq!(
        spawn(&machine, "powershell -NoProfile -Command -", "'x'\nexit 6").await,
        ("x\n".into(), String::new(), 6)
    );
    assert_eq!(spawn(&machine, "sort", "b\r\na\r\n").await.0, "a\nb\n");
}

#[tokio::test]
async fn errors_come_serialized_unless_text_is_asked_for() {
    // `$ProgressPreference='SilentlyContinue'; Get-Item C:\no`
    let script = "$ProgressPreference='SilentlyContinue'; Get-Item C:\\no";
    let (_, err, code) = spawn(&Machine::new("WEB-1"), &encoded(script), "").await;
    assert!(err.starts_with("#< CLIXML\n<Objs Version=\"1.1.0.1\""), "{err}");
    assert!(err.contains("<S S=\"Error\">Get-Item : Cannot find path &apos;C:\\no&apos; because it does not exist._x000D__x000A_</S>"), "{err}");
    assert!(err.ends_with("</Objs>") && !err.contains("S=\"progress\""), "{err}");
    assert_eq!(code, 1);
}

#[tokio::test]
async fn a_standard_user_is_refused() {
    let machine = Machine::new("WEB-1");
    machine.add_standard_user("ada");
    let (_, err, code) = powershell(&machine, "Restart-Service Spooler", "").await;
    assert!(err.contains("Restart-Service : Service 'Print Spooler (Spooler)' cannot be"), "{err}");
    assert_eq!((code, machine.service_status("Spooler").as_deref()), (1, Some("Running")));
}
