//! Which cmdlets and aliases there are.

use std::sync::LazyLock;

use super::{
    Body, Cmdlet, commands, construction, content, dates, files, hashing, invocation, json, members,
    messages, objects, paths, processes, random, selection, services, session, shaping, variables,
};

macro_rules! cmdlets {
    ($($name:literal $type_name:literal $spec:literal $body:expr;)*) => {
        static CMDLETS: LazyLock<Vec<Cmdlet>> = LazyLock::new(|| {
            vec![$(Cmdlet::new($name, concat!("Microsoft.PowerShell.Commands.", $type_name), $spec, $body)),*]
        });
    };
}

cmdlets! {
    "Add-Content" "AddContentCommand" "Path@0 Value@1^ LiteralPath/PSPath Encoding NoNewline? Force?" Body::All(content::add);
    "Add-Member" "AddMemberCommand" "MemberType/Type@0 Name@1 Value@2 InputObject^ NotePropertyName NotePropertyValue NotePropertyMembers PassThru? Force?" Body::Each(members::add_member);
    "Clear-Content" "ClearContentCommand" "Path@0^ LiteralPath Force?" Body::Each(content::clear);
    "Clear-Variable" "ClearVariableCommand" "Name@0 Force?" Body::Each(variables::clear_variable);
    "Compare-Object" "CompareObjectCommand" "ReferenceObject@0 DifferenceObject@1 Property IncludeEqual? ExcludeDifferent? PassThru?" Body::Each(objects::compare);
    "ConvertFrom-Csv" "ConvertFromCsvCommand" "InputObject@0^ Delimiter Header" Body::All(shaping::from_csv);
    "ConvertFrom-Json" "ConvertFromJsonCommand" "InputObject@0^" Body::All(json::from_json);
    "ConvertTo-Csv" "ConvertToCsvCommand" "InputObject@0^ NoTypeInformation/NTI? Delimiter" Body::All(shaping::to_csv);
    "ConvertTo-Json" "ConvertToJsonCommand" "InputObject@0^ Depth Compress?" Body::All(json::to_json);
    "Copy-Item" "CopyItemCommand" "Path@0^ Destination@1 LiteralPath/PSPath Recurse? Force? PassThru?" Body::Each(files::copy);
    "ForEach-Object" "ForEachObjectCommand" "Process@0 Begin End MemberName InputObject^ RemainingScripts ..." Body::Streaming;
    "Format-List" "FormatListCommand" "Property@0 InputObject^ Force?" Body::All(shaping::format_list);
    "Format-Table" "FormatTableCommand" "Property@0 InputObject^ AutoSize? HideTableHeaders? Wrap? Force?" Body::All(shaping::format_table);
    "Get-Alias" "GetAliasCommand" "Name@0" Body::Each(commands::get_alias);
    "Get-ChildItem" "GetChildItemCommand" "Path@0^ Filter@1 LiteralPath/PSPath Include Exclude Recurse? Force? Name? File? Directory? Depth" Body::Each(files::children);
    "Get-Command" "GetCommandCommand" "Name@0^ CommandType All?" Body::Each(commands::get_command);
    "Get-Content" "GetContentCommand" "Path@0^ LiteralPath/PSPath Raw? Encoding TotalCount/First/Head Tail/Last ReadCount Force?" Body::Each(content::get);
    "Get-Culture" "GetCultureCommand" "" Body::Each(session::culture);
    "Get-Date" "GetDateCommand" "Date@0^ Format UFormat Year Month Day Hour Minute Second" Body::Each(dates::date);
    "Get-FileHash" "GetFileHashCommand" "Path@0^ LiteralPath/PSPath Algorithm InputStream" Body::Wait(hashing::file_hash);
    "Get-Host" "GetHostCommand" "" Body::Each(session::host);
    "Get-Item" "GetItemCommand" "Path@0^ LiteralPath/PSPath Force?" Body::Each(files::get);
    "Get-ItemProperty" "GetItemPropertyCommand" "Path@0^ Name@1 LiteralPath/PSPath" Body::Each(files::get);
    "Get-Location" "GetLocationCommand" "" Body::Each(paths::location);
    "Get-Member" "GetMemberCommand" "Name@0 InputObject^ MemberType" Body::All(members::members);
    "Get-Process" "GetProcessCommand" "Name/ProcessName@0^ Id/PID" Body::Each(processes::processes);
    "Get-Random" "GetRandomCommand" "Maximum@0 Minimum InputObject^ Count SetSeed" Body::All(random::random);
    "Get-Service" "GetServiceCommand" "Name/ServiceName@0^ DisplayName Include Exclude" Body::Each(services::get);
    "Get-Unique" "GetUniqueCommand" "InputObject^ AsString?" Body::All(objects::unique);
    "Get-Variable" "GetVariableCommand" "Name@0 ValueOnly? Scope" Body::Each(variables::get_variable);
    "Group-Object" "GroupObjectCommand" "Property@0 InputObject^ NoElement? AsHashTable? AsString?" Body::Wait(objects::group);
    "Invoke-Command" "InvokeCommandCommand" "ScriptBlock@0 ArgumentList/Args InputObject^ NoNewScope?" Body::Wait(invocation::invoke_command);
    "Invoke-Expression" "InvokeExpressionCommand" "Command@0^" Body::Wait(invocation::invoke_expression);
    "Join-Path" "JoinPathCommand" "Path@0^ ChildPath@1 Resolve?" Body::Each(paths::join);
    "Measure-Command" "MeasureCommandCommand" "Expression@0 InputObject^" Body::Wait(invocation::measure_command);
    "Measure-Object" "MeasureObjectCommand" "Property@0 InputObject^ Sum? Average? Maximum? Minimum? Line? Word? Character?" Body::All(objects::measure);
    "Move-Item" "MoveItemCommand" "Path@0^ Destination@1 LiteralPath/PSPath Force? PassThru?" Body::Each(files::rename);
    "New-Guid" "NewGuidCommand" "" Body::Each(random::guid);
    "New-Item" "NewItemCommand" "Path@0^ Name ItemType/Type Value/Target Force?" Body::Each(files::create);
    "New-Object" "NewObjectCommand" "TypeName@0 ArgumentList/Args@1 Property ComObject Strict?" Body::Each(construction::new_object);
    "New-TimeSpan" "NewTimeSpanCommand" "Start@0 End@1 Days Hours Minutes Seconds" Body::Each(dates::time_span);
    "New-Variable" "NewVariableCommand" "Name@0 Value@1 Scope Option Force?" Body::Each(variables::set_variable);
    "Out-Default" "OutDefaultCommand" "InputObject^" Body::Streaming;
    "Out-File" "OutFileCommand" "FilePath/Path/LiteralPath@0 Encoding@1 InputObject^ Append? Force? NoClobber? NoNewline? Width" Body::All(content::out_file);
    "Out-Host" "OutHostCommand" "InputObject^ Paging?" Body::Streaming;
    "Out-Null" "OutNullCommand" "InputObject^" Body::Streaming;
    "Out-String" "OutStringCommand" "InputObject^ Stream? Width" Body::All(shaping::out_string);
    "Pop-Location" "PopLocationCommand" "" Body::Each(paths::pop);
    "Push-Location" "PushLocationCommand" "Path@0^ LiteralPath" Body::Each(paths::push);
    "Read-Host" "ReadHostCommand" "Prompt@0 AsSecureString?" Body::Wait(session::read_host);
    "Remove-Item" "RemoveItemCommand" "Path@0^ LiteralPath/PSPath Recurse? Force?" Body::Each(files::remove);
    "Remove-Variable" "RemoveVariableCommand" "Name@0 Force? Scope" Body::Each(variables::remove_variable);
    "Rename-Item" "RenameItemCommand" "Path@0^ NewName@1 LiteralPath/PSPath Force? PassThru?" Body::Each(files::rename);
    "Resolve-Path" "ResolvePathCommand" "Path@0^ LiteralPath" Body::Each(paths::resolve);
    "Restart-Service" "RestartServiceCommand" "Name/ServiceName@0^ InputObject DisplayName Force? PassThru?" Body::Each(services::restart);
    "Select-Object" "SelectObjectCommand" "Property@0 InputObject^ First Last Skip Unique? ExpandProperty ExcludeProperty Index Wait?" Body::Wait(selection::select);
    "Select-String" "SelectStringCommand" "Pattern@0 Path@1 InputObject^ SimpleMatch? CaseSensitive? NotMatch? Quiet?" Body::All(shaping::select_string);
    "Set-Content" "SetContentCommand" "Path@0 Value@1^ LiteralPath/PSPath Encoding NoNewline? Force?" Body::All(content::set);
    "Set-ExecutionPolicy" "SetExecutionPolicyCommand" "ExecutionPolicy@0 Scope@1 Force?" Body::Each(session::nothing);
    "Set-ItemProperty" "SetItemPropertyCommand" "Path@0^ Name@1 Value@2 LiteralPath/PSPath" Body::Each(files::set_property);
    "Set-Location" "SetLocationCommand" "Path@0^ LiteralPath PassThru?" Body::Each(paths::set_location);
    "Set-Service" "SetServiceCommand" "Name/ServiceName@0^ StartupType/StartMode Status PassThru?" Body::Each(services::set);
    "Set-StrictMode" "SetStrictModeCommand" "Version Off?" Body::Each(session::strict_mode);
    "Set-Variable" "SetVariableCommand" "Name@0 Value@1^ Scope Option Force?" Body::Each(variables::set_variable);
    "Sort-Object" "SortObjectCommand" "Property@0 InputObject^ Descending? Unique? CaseSensitive?" Body::Wait(objects::sort);
    "Split-Path" "SplitPathCommand" "Path@0^ LiteralPath Parent? Leaf? Qualifier? NoQualifier? IsAbsolute?" Body::Each(paths::split);
    "Start-Service" "StartServiceCommand" "Name/ServiceName@0^ InputObject DisplayName PassThru?" Body::Each(services::start);
    "Start-Sleep" "StartSleepCommand" "Seconds@0^ Milliseconds" Body::Wait(session::sleep);
    "Stop-Service" "StopServiceCommand" "Name/ServiceName@0^ InputObject DisplayName Force? NoWait? PassThru?" Body::Each(services::stop);
    "Tee-Object" "TeeObjectCommand" "FilePath@0 InputObject^ Variable Append?" Body::All(shaping::tee);
    "Test-Path" "TestPathCommand" "Path@0^ LiteralPath/PSPath PathType/Type IsValid?" Body::Each(paths::test);
    "Where-Object" "WhereObjectCommand" "FilterScript@0 Value@1 Property InputObject^ EQ? NE? GT? GE? LT? LE? Like? NotLike? Match? NotMatch? Contains? In? ..." Body::Streaming;
    "Write-Debug" "WriteDebugCommand" "Message@0^" Body::Each(messages::debug);
    "Write-Error" "WriteErrorCommand" "Message/Msg@0^ Exception ErrorRecord Category ErrorId TargetObject CategoryReason RecommendedAction" Body::Each(messages::error);
    "Write-Host" "WriteHostCommand" "Object@0^ NoNewline? Separator ForegroundColor BackgroundColor ..." Body::Wait(messages::host);
    "Write-Information" "WriteInformationCommand" "MessageData@0^ Tags@1" Body::Each(messages::information);
    "Write-Output" "WriteOutputCommand" "InputObject@0^ NoEnumerate? ..." Body::All(messages::output);
    "Write-Progress" "WriteProgressCommand" "Activity@0 Status@1 Id@2 PercentComplete SecondsRemaining CurrentOperation ParentId Completed?" Body::Wait(messages::progress);
    "Write-Verbose" "WriteVerboseCommand" "Message@0^" Body::Each(messages::verbose);
    "Write-Warning" "WriteWarningCommand" "Message@0^" Body::Each(messages::warning);
}

const ALIASES: &[(&str, &str)] = &[
    ("%", "ForEach-Object"),
    ("?", "Where-Object"),
    ("ac", "Add-Content"),
    ("cat", "Get-Content"),
    ("cd", "Set-Location"),
    ("chdir", "Set-Location"),
    ("clc", "Clear-Content"),
    ("copy", "Copy-Item"),
    ("cp", "Copy-Item"),
    ("cpi", "Copy-Item"),
    ("del", "Remove-Item"),
    ("diff", "Compare-Object"),
    ("dir", "Get-ChildItem"),
    ("echo", "Write-Output"),
    ("erase", "Remove-Item"),
    ("fl", "Format-List"),
    ("foreach", "ForEach-Object"),
    ("ft", "Format-Table"),
    ("gal", "Get-Alias"),
    ("gc", "Get-Content"),
    ("gci", "Get-ChildItem"),
    ("gcm", "Get-Command"),
    ("gi", "Get-Item"),
    ("gl", "Get-Location"),
    ("gm", "Get-Member"),
    ("gp", "Get-ItemProperty"),
    ("gps", "Get-Process"),
    ("group", "Group-Object"),
    ("gsv", "Get-Service"),
    ("gu", "Get-Unique"),
    ("gv", "Get-Variable"),
    ("icm", "Invoke-Command"),
    ("iex", "Invoke-Expression"),
    ("ls", "Get-ChildItem"),
    ("measure", "Measure-Object"),
    ("mi", "Move-Item"),
    ("move", "Move-Item"),
    ("mv", "Move-Item"),
    ("ni", "New-Item"),
    ("oh", "Out-Host"),
    ("popd", "Pop-Location"),
    ("ps", "Get-Process"),
    ("pushd", "Push-Location"),
    ("pwd", "Get-Location"),
    ("rd", "Remove-Item"),
    ("ren", "Rename-Item"),
    ("ri", "Remove-Item"),
    ("rm", "Remove-Item"),
    ("rmdir", "Remove-Item"),
    ("rni", "Rename-Item"),
    ("rvpa", "Resolve-Path"),
    ("sajb", "Start-Job"),
    ("sasv", "Start-Service"),
    ("sc", "Set-Content"),
    ("select", "Select-Object"),
    ("set", "Set-Variable"),
    ("sl", "Set-Location"),
    ("sleep", "Start-Sleep"),
    ("sls", "Select-String"),
    ("sort", "Sort-Object"),
    ("spsv", "Stop-Service"),
    ("sv", "Set-Variable"),
    ("tee", "Tee-Object"),
    ("type", "Get-Content"),
    ("where", "Where-Object"),
    ("write", "Write-Output"),
];

/// What an alias stands for.
pub(in super::super) fn alias(name: &str) -> Option<&'static str> {
    ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name)).map(|(_, full)| *full)
}

/// A cmdlet by its name.
pub(in super::super) fn find(name: &str) -> Option<&'static Cmdlet> {
    CMDLETS.iter().find(|cmdlet| cmdlet.name.eq_ignore_ascii_case(name))
}

/// All cmdlets, by name.
pub(super) fn all() -> impl Iterator<Item = &'static Cmdlet> {
    CMDLETS.iter()
}
