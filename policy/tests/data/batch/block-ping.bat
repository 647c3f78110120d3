@echo off
rem Stops answering to ping
netsh ipsec static add policy name="Block ICMP" description="no ping" >nul
netsh ipsec static add filterlist name="All ICMP"
netsh ipsec static add filter filterlist="All ICMP" srcaddr=any dstaddr=me protocol=icmp mirrored=yes
netsh ipsec static add filteraction name=Deny action=block
netsh ipsec static add rule name=ping policy="Block ICMP" filterlist="All ICMP" filteraction=Deny
netsh ipsec static set policy name="Block ICMP" assign=y
