$ErrorActionPreference='Stop'
$OcText=New-Object Text.UTF8Encoding $false
function Write-OcReport([string]$report){[Console]::Out.WriteLine('oc:'+$report)}
function ConvertTo-OcWord([string]$text){[Convert]::ToBase64String($OcText.GetBytes($text))}
function ConvertFrom-OcWord([string]$word){$OcText.GetString([Convert]::FromBase64String($word))}
function Write-OcFailure($record,[string]$path){
    $e=$record.Exception.GetBaseException()
    Write-OcReport ('fail '+[int]$e.HResult+' '+$e.GetType().FullName+' '+(ConvertTo-OcWord $e.Message)+' '+(ConvertTo-OcWord $path))
}
function Read-OcParameters{ConvertFrom-OcWord ([Console]::In.ReadLine())|ConvertFrom-Json}
# The full path, as the file system spells it; nothing in it is a wildcard.
function Resolve-OcPath([string]$path){
    $full=$ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($path)
    if(-not [IO.Path]::IsPathRooted($full)){throw "$path is not a path of the file system"}
    [IO.Path]::GetFullPath($full)
}
# The algorithm of the operating system: quicker than the managed one, and allowed where policy wants FIPS.
function Get-OcHash($stream){
    $sha=New-Object Security.Cryptography.SHA256CryptoServiceProvider
    try{[BitConverter]::ToString($sha.ComputeHash($stream)).Replace('-','').ToLowerInvariant()}finally{$sha.Dispose()}
}
# What is at a path: none, same or other. What cannot be replaced is an error before anything is sent.
function Compare-OcFile([string]$path,[long]$length,[string]$sha256){
    if([IO.Directory]::Exists($path)){throw 'it is a folder'}
    if(-not [IO.File]::Exists($path)){return 'none'}
    $info=New-Object IO.FileInfo $path
    if($info.Length -eq $length){
        $file=New-Object IO.FileStream($path,[IO.FileMode]::Open,[IO.FileAccess]::Read,[IO.FileShare]7,1048576)
        try{if((Get-OcHash $file) -eq $sha256){return 'same'}}finally{$file.Dispose()}
    }
    if($info.IsReadOnly){throw 'the file is read-only'}
    'other'
}
# Puts a whole file in its place. Scanners hold a file for a moment, and another writer may come between. False when
# there is a file that must not be replaced.
function Move-OcFile([string]$part,[string]$dest,[bool]$overwrite){
    for($try=0;;$try++){
        try{
            if(-not [IO.File]::Exists($dest)){[IO.File]::Move($part,$dest)}
            elseif($overwrite){[IO.File]::Replace($part,$dest,[NullString]::Value)}
            else{return $false}
            return $true
        }catch{
            if($try -ge 9 -or $_.Exception.GetBaseException() -isnot [IO.IOException]){throw}
            Start-Sleep -Milliseconds 200
        }
    }
}
# The reader of the content: a large buffer, for the console's own holds 256 bytes and asks the pipe for each.
function New-OcReader{New-Object IO.StreamReader([Console]::OpenStandardInput(),[Text.Encoding]::ASCII,$false,65536)}
