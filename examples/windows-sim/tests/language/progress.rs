//! Progress records: when they are due, and what they hold.

use windows_sim::machine::Machine;

use super::{encoded, spawn};

/// Scripts and how many progress records about preparing modules they leave.
const PREPARED: &[(&str, usize)] = &[
    ("'x'; 1 | ForEach-Object { $_ } | Out-Null; hostname", 0),
    ("Get-Item C:\\", 1),
    ("Get-Item C:\\; Get-ChildItem C:\\ | Out-Null", 1),
    ("Get-Item C:\\; Get-Date", 2),
    ("# $ProgressPreference='SilentlyContinue'\nGet-Item C:\\", 1),
    ("$ProgressPreference='SilentlyContinue'; Get-Item C:\\", 0),
    ("Set-Variable ProgressPreference SilentlyContinue; Get-Item C:\\", 1),
    ("Microsoft.PowerShell.Utility\\Get-Date; Get-Date", 0),
    ("nosuch", 1),
    ("C:\\nosuch.exe", 0),
];

#[tokio::test]
async fn progress_tells_when_modules_are_searched() {
    for (script, count) in PREPARED {
        let (_, err, _) = spawn(&Machine::new("WEB-1"), &encoded(script), "").await;
        assert_eq!(
            err.matches("<AV>Preparing modules for first use.</AV>").count(),
            *count,
            "{script}: {err}"
        );
        assert_eq!(err.matches("<TN RefId=").count(), usize::from(*count > 0), "{script}: {err}");
    }
}

#[tokio::test]
async fn progress_of_a_script_is_serialized() {
    let script = "Write-Progress 'Copying' 'a & b' -PercentComplete 40";
    let (_, err, _) = spawn(&Machine::new("WEB-1"), &encoded(script), "").await;
    let record = "<AV>Copying</AV><AI>0</AI><Nil /><PI>-1</PI><PC>40</PC><T>Processing</T><SR>-1</SR><SD>a &amp; b</SD>";
    assert!(err.contains("RefId=\"1\"><TNRef RefId=\"0\" />") && err.contains(record), "{err}");
}
