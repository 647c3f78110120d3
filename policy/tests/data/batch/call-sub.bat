@echo off
call :init
call :port TCP 135 "RPC"
call :port TCP 139
call :port UDP 137 "name service"
call :done
exit /b
:init
netsh ipsec static delete policy name=Ports >nul 2>&1
netsh ipsec static add policy name=Ports
netsh ipsec static add filteraction name=No action=block
exit /b 0
:port
set desc=%~3
if "%desc%"=="" set desc=none
netsh ipsec static add filter filterlist=Ports srcaddr=any dstaddr=me protocol=%1 dstport=%2 description="%desc%"
goto :eof
:done
netsh ipsec static add rule name=Ports policy=Ports filterlist=Ports filteraction=No
netsh ipsec static set policy name=Ports assign=y
goto :eof
