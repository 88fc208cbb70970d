$dest=''
try{
    $p=Read-OcParameters
    $dest=$p.dest
    $dest=Resolve-OcPath $p.dest
    $length=[long]$p.length
    $part=$dest+'.'+$p.sha256.Substring(0,16)+'.part'
    for($try=0;;$try++){
        $found=Compare-OcFile $dest $length $p.sha256
        if($found -eq 'same'){Write-OcReport 'same';exit 0}
        if($found -eq 'other' -and -not $p.overwrite){Write-OcReport 'exists';exit 0}
        $folder=[IO.Path]::GetDirectoryName($dest)
        if($p.folders){[void][IO.Directory]::CreateDirectory($folder)}
        elseif(-not [IO.Directory]::Exists($folder)){throw "the folder $folder does not exist"}
        # Whoever else writes the same content there holds the partial file; when he has done, there is nothing to do.
        try{$file=New-Object IO.FileStream($part,[IO.FileMode]::OpenOrCreate,[IO.FileAccess]::ReadWrite,[IO.FileShare]::None,65536);break}
        catch{
            if($try -ge 120 -or $_.Exception.GetBaseException().HResult -ne -2147024864){throw}
            Start-Sleep -Milliseconds 500
        }
    }
    try{
        $from=[long]0
        $in=[Console]::In
        if(-not $p.inline){
            $in=New-OcReader
            $hash='-'
            if($file.Length -gt $length){$file.SetLength(0)}
            elseif($file.Length -gt 0){$hash=Get-OcHash $file}
            Write-OcReport ('part '+$file.Length+' '+$hash)
            $line=$in.ReadLine()
            if($line -eq $null){$file.Dispose();exit 3}
            $from=[long]$line
        }
        $file.SetLength($from)
        [void]$file.Seek($from,[IO.SeekOrigin]::Begin)
        while($file.Position -lt $length){
            $line=$in.ReadLine()
            if($line -eq $null){$file.Dispose();exit 3}
            if($line[0] -eq '!'){
                # The rest came through other shells, each part of it as a file of its own.
                for($k=1;$k -le [int]$line.Substring(1);$k++){
                    $slice=New-Object IO.FileStream(($part+'.'+$k),[IO.FileMode]::Open,[IO.FileAccess]::Read,[IO.FileShare]::Read,65536)
                    try{$slice.CopyTo($file,1048576)}finally{$slice.Dispose()}
                    [IO.File]::Delete($part+'.'+$k)
                }
            }elseif($line[0] -eq '~'){
                $packed=New-Object IO.MemoryStream(,[Convert]::FromBase64String($line.Substring(1)))
                $plain=New-Object IO.Compression.DeflateStream($packed,[IO.Compression.CompressionMode]::Decompress)
                $plain.CopyTo($file,262144)
                $plain.Dispose()
            }else{
                $bytes=[Convert]::FromBase64String($line)
                $file.Write($bytes,0,$bytes.Length)
            }
        }
        $file.Flush($true)
        [void]$file.Seek(0,[IO.SeekOrigin]::Begin)
        if((Get-OcHash $file) -ne $p.sha256){throw 'the content was changed on its way'}
        $file.Dispose()
        if(-not (Move-OcFile $part $dest $p.overwrite)){
            [IO.File]::Delete($part)
            Write-OcReport 'exists'
            exit 0
        }
    }catch{
        $failure=$_
        $file.Dispose()
        try{[IO.File]::Delete($part)}catch{}
        throw $failure
    }
    Write-OcReport 'done'
    # What earlier copies of another content to the same place left behind. One at work holds its file open.
    try{
        foreach($old in [IO.Directory]::GetFiles($folder,[IO.Path]::GetFileName($dest)+'.*.part*')){
            if($old.Substring($dest.Length) -match '^\.[0-9a-f]{16}\.part(\.[0-9](\.[0-9a-f]{16}\.part)?)?$'){
                try{[IO.File]::Delete($old)}catch{}
            }
        }
    }catch{}
}catch{Write-OcFailure $_ $dest}
