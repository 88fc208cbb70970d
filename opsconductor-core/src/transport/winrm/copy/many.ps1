$dest=''
try{
    $p=Read-OcParameters
    $dest=$p.dest
    $root=Resolve-OcPath $p.dest
    if([IO.File]::Exists($root)){throw 'it is a file'}
    # A line for each file: its path, length and hash.
    $need=New-Object 'Collections.Generic.List[object]'
    $states=New-Object Text.StringBuilder
    $conflict=''
    for($i=0;$i -lt $p.files;$i++){
        $word,$length,$hash=[Console]::In.ReadLine().Split(' ')
        $dest=[IO.Path]::Combine($root,(ConvertFrom-OcWord $word).Replace('/','\'))
        $dest=[IO.Path]::GetFullPath($dest)
        $found=Compare-OcFile $dest ([long]$length) $hash
        if($found -eq 'same'){[void]$states.Append('=')}
        else{
            if($found -eq 'other' -and -not $p.overwrite -and -not $conflict){$conflict=$word}
            [void]$states.Append('+')
            $need.Add(@($dest,[long]$length,$hash))
        }
    }
    if($conflict){Write-OcReport ('exists '+$conflict);exit 0}
    if($need.Count -eq 0){Write-OcReport 'same';exit 0}
    $in=New-OcReader
    Write-OcReport ('need '+$states.ToString())
    # The contents that are wanted come one after the other; where a file ends is known from its length.
    $bytes=New-Object byte[] 0
    $at=0
    foreach($one in $need){
        $dest,$left,$hash=$one
        $part=$dest+'.'+$hash.Substring(0,16)+'.part'
        $folder=[IO.Path]::GetDirectoryName($dest)
        if(-not [IO.Directory]::Exists($folder)){[void][IO.Directory]::CreateDirectory($folder)}
        $file=New-Object IO.FileStream($part,[IO.FileMode]::Create,[IO.FileAccess]::ReadWrite,[IO.FileShare]::None,65536)
        try{
            while($left -gt 0){
                if($at -ge $bytes.Length){
                    $line=$in.ReadLine()
                    if($line -eq $null){$file.Dispose();[IO.File]::Delete($part);exit 3}
                    $at=0
                    if($line[0] -eq '~'){
                        $packed=New-Object IO.MemoryStream(,[Convert]::FromBase64String($line.Substring(1)))
                        $plain=New-Object IO.Compression.DeflateStream($packed,[IO.Compression.CompressionMode]::Decompress)
                        $whole=New-Object IO.MemoryStream
                        $plain.CopyTo($whole,262144)
                        $plain.Dispose()
                        $bytes=$whole.ToArray()
                    }else{$bytes=[Convert]::FromBase64String($line)}
                }
                $count=[int][Math]::Min([long]($bytes.Length-$at),$left)
                $file.Write($bytes,$at,$count)
                $at+=$count
                $left-=$count
            }
            $file.Flush($true)
            [void]$file.Seek(0,[IO.SeekOrigin]::Begin)
            if((Get-OcHash $file) -ne $hash){throw 'the content was changed on its way'}
            $file.Dispose()
            if(-not (Move-OcFile $part $dest $p.overwrite)){throw 'another file came there meanwhile, and overwrite is false'}
        }catch{
            $failure=$_
            $file.Dispose()
            try{[IO.File]::Delete($part)}catch{}
            throw $failure
        }
    }
    Write-OcReport 'done'
}catch{Write-OcFailure $_ $dest}
