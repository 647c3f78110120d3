@echo off
setlocal
set POL=Close ports
:: a loop over the usual suspects
for %%p in (135 139 445) do netsh ipsec static add filter filterlist=Shut srcaddr=Any dstaddr=Me dstport=%%p protocol=TCP mirrored=yes
netsh ipsec static add filteraction name=No action=block
netsh ipsec static add policy name="%POL%"
netsh ipsec static add rule name=shut policy="%POL%" filterlist=Shut filteraction=No
if "%1"=="on" netsh ipsec static set policy name="%POL%" assign=y
if not exist nothing.txt goto :end
echo never
:end
endlocal
exit /b 0
