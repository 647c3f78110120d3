netsh ipsec dynamic add mmpolicy M mmsec="DES-MD5-1"
netsh ipsec dynamic add qmpolicy Q pfs=grp2 soft=y
netsh ipsec dynamic add rule me any M Q proto=tcp dstport=80 actionin=permit psk="a\"b" tunneldst=1.2.3.4
netsh ipsec dynamic set rule me any tcp 0 80 yes all tunneldst=1.2.3.4 actionout=block
netsh ipsec dynamic show rule
netsh ipsec dynamic set config bootexemptions "UDP:0:68:inbound"
netsh ipsec static set store persistent
netsh ipsec static add policy "P \"q\" \\" assign=y
netsh ipsec dump
