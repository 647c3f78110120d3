@echo off
rem closes everything but SSH at once; gone at the next start
netsh ipsec dynamic set config property=ipsecdiagnostics value=7
netsh ipsec dynamic set config bootmode block
netsh ipsec dynamic set config property=bootexemptions value="TCP:0:3389:inbound UDP:0:68:inbound"
netsh ipsec dynamic delete all
netsh ipsec dynamic add mmpolicy name=mm1
netsh ipsec dynamic add rule srcaddr=any dstaddr=me mmpolicy=mm1 protocol=any srcport=0 dstport=0 mirrored=yes conntype=all actioninbound=block actionoutbound=block
netsh ipsec dynamic add rule srcaddr=any dstaddr=me mmpolicy=mm1 protocol=tcp srcport=0 dstport=22 mirrored=yes conntype=all actioninbound=permit actionoutbound=permit
netsh ipsec dynamic show rule
netsh ipsec dynamic show qmfilter all
