@echo off
set netsh=netsh ipsec static
%netsh% add policy name=p1
set cmd=add filter filterlist=f srcaddr=any dstaddr=me
%netsh% %cmd% protocol=tcp dstport=21
%netsh% %cmd% protocol=tcp dstport=22 & rem ssh
set A=1
if %A%==1 %netsh% %cmd% protocol=tcp dstport=23
if "%A%" EQU "1" (%netsh% %cmd% protocol=tcp dstport=24)
if [%1]==[] echo no parameter
if not "%~1"=="" goto :eof
if [%1] == [] goto go
exit /b
:go
%netsh% add policy name=p2
set x=%~1
if "%x%"=="" %netsh% add policy name=p3
if "%UNSET%"=="" %netsh% add policy name=p4
if not defined UNSET %netsh% add policy name=p5
