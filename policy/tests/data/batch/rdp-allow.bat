@echo off
setlocal enabledelayedexpansion
set /p ADMIN=address of the administrator:
netsh ipsec static add policy name=RDP
netsh ipsec static add filterlist name=rdp-ok
netsh ipsec static add filterlist name=rdp-all
netsh ipsec static add filter filterlist=rdp-ok srcaddr=%ADMIN% dstaddr=me dstport=3389 protocol=TCP
