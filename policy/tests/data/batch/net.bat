@echo off
net start policyagent
sc config policyagent start= auto
reg add HKLM\SYSTEM\CurrentControlSet\Services\IPSEC /v NoDefaultExempt /t REG_DWORD /d 1 /f
netsh firewall set opmode enable
netsh ipsec static add policy name=n
net stop policyagent & net start policyagent
gpupdate /force
ping -n 3 127.0.0.1 >nul
del %temp%\x.txt
shutdown -r -t 0
