//! `-WhatIf` and `-Confirm`: what would be done is said, and nothing is.

use windows_sim::machine::Machine;

use super::powershell;

/// What `-WhatIf` says of each cmdlet that has it, on a machine with `C:\Data\a.txt`.
const WHAT_IF: &[(&str, &str, &str)] = &[
    ("Remove-Item C:\\Data\\a.txt", "Remove File", "C:\\Data\\a.txt"),
    ("Remove-Item C:\\Data -Recurse", "Remove Directory", "C:\\Data"),
    ("Copy-Item C:\\Data\\a.txt C:\\b.txt", "Copy File", "Item: C:\\Data\\a.txt Destination: C:\\b.txt"),
    ("Copy-Item C:\\Data C:\\Other -Recurse", "Copy Directory", "Item: C:\\Data Destination: C:\\Other"),
    ("Move-Item C:\\Data\\a.txt C:\\b.txt", "Move File", "Item: C:\\Data\\a.txt Destination: C:\\b.txt"),
    ("Rename-Item C:\\Data Old", "Rename Directory", "Item: C:\\Data Destination: C:\\Old"),
    ("New-Item C:\\b.txt -Value x", "Create File", "Destination: C:\\b.txt"),
    ("New-Item C:\\New -ItemType Directory", "Create Directory", "Destination: C:\\New"),
    ("Set-Content C:\\Data\\a.txt x", "Set Content", "Path: C:\\Data\\a.txt"),
    ("Add-Content C:\\Data\\a.txt x", "Add Content", "Path: C:\\Data\\a.txt"),
    ("Clear-Content C:\\Data\\a.txt", "Clear Content", "Item: C:\\Data\\a.txt"),
    ("'x' | Out-File C:\\Data\\a.txt", "Output to File", "C:\\Data\\a.txt"),
    (
        "Set-ItemProperty C:\\Data\\a.txt IsReadOnly $true",
        "Set Property File",
        "Item: C:\\Data\\a.txt Property: IsReadOnly Value: True",
    ),
    ("Stop-Service Spooler", "Stop-Service", "Print Spooler (Spooler)"),
    ("Restart-Service Spooler", "Restart-Service", "Print Spooler (Spooler)"),
    ("Start-Service Spooler", "Start-Service", "Print Spooler (Spooler)"),
    ("Set-Service Spooler -StartupType Disabled", "Set-Service", "Print Spooler (Spooler)"),
    ("Set-ExecutionPolicy Bypass", "Set-ExecutionPolicy", "Bypass"),
    ("Set-Variable kept 2", "Set variable", "Name: kept Value: 2"),
    ("New-Variable more 2", "New variable", "Name: more Value: 2"),
    ("Clear-Variable kept", "Clear variable", "Name: kept"),
    ("Remove-Variable kept", "Remove variable", "Name: kept"),
];

/// What a script could have changed: every file with its text, the service, the variables.
const STATE: &str = "; (Get-ChildItem C:\\ -Recurse).FullName; Get-Content C:\\Data\\a.txt; (Get-Item C:\\Data\\a.txt).IsReadOnly; $s = Get-Service Spooler; \"$($s.Status) $($s.StartType) $kept $more\"";

#[tokio::test]
async fn what_if_says_what_would_be_done_and_does_nothing() {
    let prepare = "$kept = 1; New-Item C:\\Data\\a.txt -Force -Value text | Out-Null; ";
    let untouched = powershell(&Machine::new("WEB-1"), &format!("{prepare}{STATE}"), "").await.0;
    assert!(
        untouched.contains("C:\\Data\\a.txt\n") && untouched.ends_with("text\nFalse\nRunning Automatic 1 \n")
    );
    for (script, operation, target) in WHAT_IF {
        let said =
            format!("What if: Performing the operation \"{operation}\" on target \"{target}\".\n{untouched}");
        for told in [
            format!("{script} -WhatIf"),
            format!("$WhatIfPreference = $true; {script}; $WhatIfPreference = $false"),
        ] {
            let (out, err, _) =
                powershell(&Machine::new("WEB-1"), &format!("{prepare}{told}{STATE}"), "").await;
            assert_eq!((out.as_str(), err.as_str()), (said.as_str(), ""), "{told}");
        }
        let asked =
            format!("{prepare}try {{ {script} -Confirm }} catch {{ $_.FullyQualifiedErrorId }}{STATE}");
        let (out, err, _) = powershell(&Machine::new("WEB-1"), &asked, "").await;
        assert!(
            out.starts_with("InvalidOperation,") && out.ends_with(&untouched) && err.is_empty(),
            "{asked}: {out}{err}"
        );
    }
}

#[tokio::test]
async fn what_if_is_unknown_to_what_does_not_take_it() {
    let unknown = "A parameter cannot be found that matches parameter name 'WhatIf'.";
    for command in ["Get-Date", "Set-Location C:\\", "function f { [CmdletBinding()]param() }; f"] {
        let (_, err, code) = powershell(&Machine::new("WEB-1"), &format!("{command} -WhatIf"), "").await;
        assert!(
            err.split_whitespace().collect::<Vec<_>>().join(" ").contains(unknown)
                && err.contains("NamedParameterNotFound")
                && code == 1,
            "{command}: {err}"
        );
    }
}

#[tokio::test]
async fn what_if_of_a_function_reaches_what_it_calls() {
    let script = "function Clean { [CmdletBinding(SupportsShouldProcess = $true)]param($Path) Remove-Item $Path }\n\
        New-Item C:\\a.txt | Out-Null; Clean C:\\a.txt -WhatIf; Test-Path C:\\a.txt; Clean C:\\a.txt; Test-Path C:\\a.txt";
    let (out, err, _) = powershell(&Machine::new("WEB-1"), script, "").await;
    let said = "What if: Performing the operation \"Remove File\" on target \"C:\\a.txt\".\nTrue\nFalse\n";
    assert_eq!((out.as_str(), err.as_str()), (said, ""));
}
