$path=''
try{
    $p=Read-OcParameters
    $path=$p.src
    $path=Resolve-OcPath $p.src
    if([IO.Directory]::Exists($path)){throw 'it is a folder'}
    if(-not [IO.File]::Exists($path)){Write-OcReport 'missing';exit 0}
    # Others may go on writing and deleting: what they do meanwhile shows in the hash.
    $file=New-Object IO.FileStream($path,[IO.FileMode]::Open,[IO.FileAccess]::Read,[IO.FileShare]7,65536)
    $length=$file.Length
    if($length -gt [long]$p.max){Write-OcReport ('large '+$length);exit 0}
    Write-OcReport ('length '+$length)
    $left=$length-[long]$p.from
    [void]$file.Seek([long]$p.from,[IO.SeekOrigin]::Begin)
    $out=[Console]::OpenStandardOutput()
    $bytes=New-Object byte[] 98304
    while($left -gt 0){
        $count=$file.Read($bytes,0,[int][Math]::Min([long]$bytes.Length,$left))
        if($count -le 0){break}
        $left-=$count
        $line=[Text.Encoding]::ASCII.GetBytes([Convert]::ToBase64String($bytes,0,$count)+"`n")
        $out.Write($line,0,$line.Length)
    }
    $out.Flush()
    [void]$file.Seek(0,[IO.SeekOrigin]::Begin)
    Write-OcReport ('end '+$file.Length+' '+(Get-OcHash $file))
    $file.Dispose()
}catch{Write-OcFailure $_ $path}
