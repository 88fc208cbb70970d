//! Which cmdlets and aliases there are.

use std::sync::LazyLock;

use super::{
    Body, Cmdlet, Module, commands, construction, content, dates, files, hashing, invocation, json, listing,
    members, messages, objects, paths, processes, random, selection, services, session, shaping, variables,
};

macro_rules! cmdlets {
    ($($name:literal $module:ident $type_name:literal $spec:literal $body:expr;)*) => {
        static CMDLETS: LazyLock<Vec<Cmdlet>> = LazyLock::new(|| {
            vec![$(Cmdlet::new($name, Module::$module, concat!("Microsoft.PowerShell.Commands.", $type_name), $spec, $body)),*]
        });
    };
}

cmdlets! {
    "Add-Content" Management "AddContentCommand" "Path@0 Value@1^ LiteralPath/PSPath Encoding NoNewline? Force? WhatIf/wi? Confirm/cf?" Body::All(content::add);
    "Add-Member" Utility "AddMemberCommand" "MemberType/Type@0 Name@1 Value@2 InputObject^ NotePropertyName NotePropertyValue NotePropertyMembers PassThru? Force?" Body::Each(members::add_member);
    "Clear-Content" Management "ClearContentCommand" "Path@0^ LiteralPath Force? WhatIf/wi? Confirm/cf?" Body::Each(content::clear);
    "Clear-Variable" Utility "ClearVariableCommand" "Name@0 Force? WhatIf/wi? Confirm/cf?" Body::Each(variables::clear_variable);
    "Compare-Object" Utility "CompareObjectCommand" "ReferenceObject@0 DifferenceObject@1 Property IncludeEqual? ExcludeDifferent? PassThru?" Body::Each(objects::compare);
    "ConvertFrom-Csv" Utility "ConvertFromCsvCommand" "InputObject@0^ Delimiter Header" Body::All(shaping::from_csv);
    "ConvertFrom-Json" Utility "ConvertFromJsonCommand" "InputObject@0^" Body::All(json::from_json);
    "ConvertTo-Csv" Utility "ConvertToCsvCommand" "InputObject@0^ NoTypeInformation/NTI? Delimiter" Body::All(shaping::to_csv);
    "ConvertTo-Json" Utility "ConvertToJsonCommand" "InputObject@0^ Depth Compress?" Body::All(json::to_json);
    "Copy-Item" Management "CopyItemCommand" "Path@0^ Destination@1 LiteralPath/PSPath Recurse? Force? PassThru? WhatIf/wi? Confirm/cf?" Body::Each(files::copy);
    "ForEach-Object" Core "ForEachObjectCommand" "Process@0 Begin End MemberName InputObject^ RemainingScripts ..." Body::Streaming;
    "Format-List" Utility "FormatListCommand" "Property@0 InputObject^ Force?" Body::All(shaping::format_list);
    "Format-Table" Utility "FormatTableCommand" "Property@0 InputObject^ AutoSize? HideTableHeaders? Wrap? Force?" Body::All(shaping::format_table);
    "Get-Alias" Utility "GetAliasCommand" "Name@0" Body::Each(commands::get_alias);
    "Get-ChildItem" Management "GetChildItemCommand" "Path@0^ Filter@1 LiteralPath/PSPath Include Exclude Recurse? Force? Name? File? Directory? Depth" Body::Each(listing::children);
    "Get-Command" Core "GetCommandCommand" "Name@0^ CommandType All?" Body::Each(commands::get_command);
    "Get-Content" Management "GetContentCommand" "Path@0^ LiteralPath/PSPath Raw? Encoding TotalCount/First/Head Tail/Last ReadCount Force?" Body::Each(content::get);
    "Get-Culture" Utility "GetCultureCommand" "" Body::Each(session::culture);
    "Get-Date" Utility "GetDateCommand" "Date@0^ Format UFormat Year Month Day Hour Minute Second" Body::Each(dates::date);
    "Get-FileHash" Utility "GetFileHashCommand" "Path@0^ LiteralPath/PSPath Algorithm InputStream" Body::Wait(hashing::file_hash);
    "Get-Host" Utility "GetHostCommand" "" Body::Each(session::host);
    "Get-Item" Management "GetItemCommand" "Path@0^ LiteralPath/PSPath Force?" Body::Each(listing::get);
    "Get-ItemProperty" Management "GetItemPropertyCommand" "Path@0^ Name@1 LiteralPath/PSPath" Body::Each(listing::get);
    "Get-Location" Management "GetLocationCommand" "" Body::Each(paths::location);
    "Get-Member" Utility "GetMemberCommand" "Name@0 InputObject^ MemberType" Body::All(members::members);
    "Get-Process" Management "GetProcessCommand" "Name/ProcessName@0^ Id/PID" Body::Each(processes::processes);
    "Get-Random" Utility "GetRandomCommand" "Maximum@0 Minimum InputObject^ Count SetSeed" Body::All(random::random);
    "Get-Service" Management "GetServiceCommand" "Name/ServiceName@0^ DisplayName Include Exclude" Body::Each(services::get);
    "Get-Unique" Utility "GetUniqueCommand" "InputObject^ AsString?" Body::All(objects::unique);
    "Get-Variable" Utility "GetVariableCommand" "Name@0 ValueOnly? Scope" Body::Each(variables::get_variable);
    "Group-Object" Utility "GroupObjectCommand" "Property@0 InputObject^ NoElement? AsHashTable? AsString?" Body::Wait(objects::group);
    "Invoke-Command" Core "InvokeCommandCommand" "ScriptBlock@0 ArgumentList/Args InputObject^ NoNewScope?" Body::Wait(invocation::invoke_command);
    "Invoke-Expression" Utility "InvokeExpressionCommand" "Command@0^" Body::Wait(invocation::invoke_expression);
    "Join-Path" Management "JoinPathCommand" "Path@0^ ChildPath@1 Resolve?" Body::Each(paths::join);
    "Measure-Command" Utility "MeasureCommandCommand" "Expression@0 InputObject^" Body::Wait(invocation::measure_command);
    "Measure-Object" Utility "MeasureObjectCommand" "Property@0 InputObject^ Sum? Average? Maximum? Minimum? Line? Word? Character?" Body::All(objects::measure);
    "Move-Item" Management "MoveItemCommand" "Path@0^ Destination@1 LiteralPath/PSPath Force? PassThru? WhatIf/wi? Confirm/cf?" Body::Each(files::rename);
    "New-Guid" Utility "NewGuidCommand" "" Body::Each(random::guid);
    "New-Item" Management "NewItemCommand" "Path@0^ Name ItemType/Type Value/Target Force? WhatIf/wi? Confirm/cf?" Body::Each(files::create);
    "New-Object" Utility "NewObjectCommand" "TypeName@0 ArgumentList/Args@1 Property ComObject Strict?" Body::Each(construction::new_object);
    "New-TimeSpan" Utility "NewTimeSpanCommand" "Start@0 End@1 Days Hours Minutes Seconds" Body::Each(dates::time_span);
    "New-Variable" Utility "NewVariableCommand" "Name@0 Value@1 Scope Option Force? WhatIf/wi? Confirm/cf?" Body::Each(variables::new_variable);
    "Out-Default" Core "OutDefaultCommand" "InputObject^" Body::Streaming;
    "Out-File" Utility "OutFileCommand" "FilePath/Path/LiteralPath@0 Encoding@1 InputObject^ Append? Force? NoClobber? NoNewline? Width WhatIf/wi? Confirm/cf?" Body::All(content::out_file);
    "Out-Host" Core "OutHostCommand" "InputObject^ Paging?" Body::Streaming;
    "Out-Null" Core "OutNullCommand" "InputObject^" Body::Streaming;
    "Out-String" Utility "OutStringCommand" "InputObject^ Stream? Width" Body::All(shaping::out_string);
    "Pop-Location" Management "PopLocationCommand" "" Body::Each(paths::pop);
    "Push-Location" Management "PushLocationCommand" "Path@0^ LiteralPath" Body::Each(paths::push);
    "Read-Host" Utility "ReadHostCommand" "Prompt@0 AsSecureString?" Body::Wait(session::read_host);
    "Remove-Item" Management "RemoveItemCommand" "Path@0^ LiteralPath/PSPath Recurse? Force? WhatIf/wi? Confirm/cf?" Body::Each(files::remove);
    "Remove-Variable" Utility "RemoveVariableCommand" "Name@0 Force? Scope WhatIf/wi? Confirm/cf?" Body::Each(variables::remove_variable);
    "Rename-Item" Management "RenameItemCommand" "Path@0^ NewName@1 LiteralPath/PSPath Force? PassThru? WhatIf/wi? Confirm/cf?" Body::Each(files::rename);
    "Resolve-Path" Management "ResolvePathCommand" "Path@0^ LiteralPath" Body::Each(paths::resolve);
    "Restart-Service" Management "RestartServiceCommand" "Name/ServiceName@0^ InputObject DisplayName Force? PassThru? WhatIf/wi? Confirm/cf?" Body::Each(services::restart);
    "Select-Object" Utility "SelectObjectCommand" "Property@0 InputObject^ First Last Skip Unique? ExpandProperty ExcludeProperty Index Wait?" Body::Wait(selection::select);
    "Select-String" Utility "SelectStringCommand" "Pattern@0 Path@1 InputObject^ SimpleMatch? CaseSensitive? NotMatch? Quiet?" Body::All(shaping::select_string);
    "Set-Content" Management "SetContentCommand" "Path@0 Value@1^ LiteralPath/PSPath Encoding NoNewline? Force? WhatIf/wi? Confirm/cf?" Body::All(content::set);
    "Set-ExecutionPolicy" Security "SetExecutionPolicyCommand" "ExecutionPolicy@0 Scope@1 Force? WhatIf/wi? Confirm/cf?" Body::Each(session::execution_policy);
    "Set-ItemProperty" Management "SetItemPropertyCommand" "Path@0^ Name@1 Value@2 LiteralPath/PSPath WhatIf/wi? Confirm/cf?" Body::Each(files::set_property);
    "Set-Location" Management "SetLocationCommand" "Path@0^ LiteralPath PassThru?" Body::Each(paths::set_location);
    "Set-Service" Management "SetServiceCommand" "Name/ServiceName@0^ StartupType/StartMode Status PassThru? WhatIf/wi? Confirm/cf?" Body::Each(services::set);
    "Set-StrictMode" Core "SetStrictModeCommand" "Version Off?" Body::Each(session::strict_mode);
    "Set-Variable" Utility "SetVariableCommand" "Name@0 Value@1^ Scope Option Force? WhatIf/wi? Confirm/cf?" Body::Each(variables::set_variable);
    "Sort-Object" Utility "SortObjectCommand" "Property@0 InputObject^ Descending? Unique? CaseSensitive?" Body::Wait(objects::sort);
    "Split-Path" Management "SplitPathCommand" "Path@0^ LiteralPath Parent? Leaf? Qualifier? NoQualifier? IsAbsolute?" Body::Each(paths::split);
    "Start-Service" Management "StartServiceCommand" "Name/ServiceName@0^ InputObject DisplayName PassThru? WhatIf/wi? Confirm/cf?" Body::Each(services::start);
    "Start-Sleep" Utility "StartSleepCommand" "Seconds@0^ Milliseconds" Body::Wait(session::sleep);
    "Stop-Service" Management "StopServiceCommand" "Name/ServiceName@0^ InputObject DisplayName Force? NoWait? PassThru? WhatIf/wi? Confirm/cf?" Body::Each(services::stop);
    "Tee-Object" Utility "TeeObjectCommand" "FilePath@0 InputObject^ Variable Append?" Body::All(shaping::tee);
    "Test-Path" Management "TestPathCommand" "Path@0^ LiteralPath/PSPath PathType/Type IsValid?" Body::Each(paths::test);
    "Where-Object" Core "WhereObjectCommand" "FilterScript@0 Value@1 Property InputObject^ EQ? NE? GT? GE? LT? LE? Like? NotLike? Match? NotMatch? Contains? In? ..." Body::Streaming;
    "Write-Debug" Utility "WriteDebugCommand" "Message@0^" Body::Each(messages::debug);
    "Write-Error" Utility "WriteErrorCommand" "Message/Msg@0^ Exception ErrorRecord Category ErrorId TargetObject CategoryReason RecommendedAction" Body::Each(messages::error);
    "Write-Host" Utility "WriteHostCommand" "Object@0^ NoNewline? Separator ForegroundColor BackgroundColor ..." Body::Wait(messages::host);
    "Write-Information" Utility "WriteInformationCommand" "MessageData@0^ Tags@1" Body::Each(messages::information);
    "Write-Output" Utility "WriteOutputCommand" "InputObject@0^ NoEnumerate? ..." Body::All(messages::output);
    "Write-Progress" Utility "WriteProgressCommand" "Activity@0 Status@1 Id@2 PercentComplete SecondsRemaining CurrentOperation ParentId Completed?" Body::Wait(messages::progress);
    "Write-Verbose" Utility "WriteVerboseCommand" "Message@0^" Body::Each(messages::verbose);
    "Write-Warning" Utility "WriteWarningCommand" "Message@0^" Body::Each(messages::warning);
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
