$ErrorActionPreference='Stop'
function Write-OcResult($result){[Console]::Out.WriteLine(($result|ConvertTo-Json -Compress))}
function Get-OcHash($path){
    $hash=[Security.Cryptography.SHA256]::Create()
    $file=[IO.File]::OpenRead($path)
    try{([BitConverter]::ToString($hash.ComputeHash($file)) -replace '-','').ToLower()}finally{$file.Dispose();$hash.Dispose()}
}
try{
    $p=[Text.Encoding]::UTF8.GetString([Convert]::FromBase64String([Console]::In.ReadLine()))|ConvertFrom-Json
    $dest=$ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($p.dest)
    if([IO.Directory]::Exists($dest)){throw "$dest is a folder"}
    if([IO.File]::Exists($dest)){
        if(-not $p.overwrite){Write-OcResult @{status='exists'};exit 0}
        if((New-Object IO.FileInfo $dest).Length -eq $p.length){
            $h=Get-OcHash $dest
            if($h -eq $p.sha256){Write-OcResult @{status='unchanged';length=$p.length;sha256=$h};exit 0}
        }
    }
    $dir=[IO.Path]::GetDirectoryName($dest)
    if(-not [IO.Directory]::Exists($dir)){throw "the folder $dir does not exist"}
    $part=$dest+'.'+$p.sha256.Substring(0,16)+'.part'
    try{
        $out=New-Object IO.FileStream($part,[IO.FileMode]::Create,[IO.FileAccess]::Write,[IO.FileShare]::None)
        try{
            while(($line=[Console]::In.ReadLine()) -ne $null -and $line -ne '.'){
                $b=[Convert]::FromBase64String($line)
                $out.Write($b,0,$b.Length)
            }
            $out.Flush($true)
        }finally{$out.Dispose()}
        if($line -ne '.'){throw 'the content did not arrive whole'}
        $h=Get-OcHash $part
        if($h -ne $p.sha256){throw 'the content was changed on its way'}
        if([IO.File]::Exists($dest)){
            if(-not $p.overwrite){Write-OcResult @{status='exists'};exit 0}
            [IO.File]::Replace($part,$dest,[NullString]::Value)
        }else{[IO.File]::Move($part,$dest)}
    }finally{if([IO.File]::Exists($part)){[IO.File]::Delete($part)}}
    Write-OcResult @{status='copied';length=$p.length;sha256=$h}
}catch{Write-OcResult @{status='failed';message=$_.Exception.Message}}
