@echo off
if exist %windir%\system32\ipsec.done goto end
if not exist list.txt (
   echo no list
   exit /b 1
) else (
   netsh ipsec static add policy name=fromlist
)
netsh ipsec static add policy name=after
:end
