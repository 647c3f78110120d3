set A=x
set A=%A%%A%%A%
:again
set A=%A%%A%
set /a N=N+1
if %N% LSS 5 goto again
call :sub 10.0.0.1 10.0.0.2
goto :eof
:sub
netsh ipsec static add filter filterlist=%A:~0,8% srcaddr=%1 dstaddr=%~2 srcmask=32 dstmask=255.255.255.255 protocol=UDP srcport=53 dstport=0
exit /b
