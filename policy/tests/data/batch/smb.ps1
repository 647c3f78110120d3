# PowerShell
netsh ipsec static add policy name="BlockSMB"
netsh ipsec static add filterlist name="SMB"
netsh ipsec static add filter filterlist="SMB" srcaddr=any dstaddr=me protocol=tcp dstport=445
& netsh ipsec static add filteraction name="Block" action=block
netsh.exe ipsec static add rule name="SMB" policy="BlockSMB" filterlist="SMB" filteraction="Block" | Out-Null
Invoke-Expression "netsh ipsec static set policy name=BlockSMB assign=y"
135,139 | ForEach-Object { netsh ipsec static add filter filterlist="SMB" srcaddr=any dstaddr=me protocol=tcp dstport=$_ }
netsh ipsec static add filter filterlist="SMB" `
   srcaddr=any dstaddr=me protocol=tcp dstport=446
$p = 'x'
if ($p -eq 'x') {
  netsh ipsec static add policy name=inif
}
