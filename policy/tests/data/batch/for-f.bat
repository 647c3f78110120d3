@echo off
netsh ipsec static add policy name=hosts
netsh ipsec static add filteraction name=block action=block
for /f "tokens=1" %%a in (badhosts.txt) do netsh ipsec static add filter filterlist=bad srcaddr=%%a dstaddr=me
netsh ipsec static add rule name=bad policy=hosts filterlist=bad filteraction=block
