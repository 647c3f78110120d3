@echo off
:: close the doors that worms use
if "%1"=="/remove" goto remove
if "%1"=="/?" goto :help
set POL=WormWall
set FL=%POL%_list
netsh ipsec static show policy name=%POL% >nul 2>&1 && goto already
netsh ipsec static add policy name=%POL% activatedefaultrule=no || goto failed
for %%p in (135 137 138 139 445 593 1025) do (
  netsh ipsec static add filter filterlist=%FL% srcaddr=any dstaddr=me protocol=TCP dstport=%%p description="tcp %%p"
  netsh ipsec static add filter filterlist=%FL% srcaddr=any dstaddr=me protocol=UDP dstport=%%p description="udp %%p"
)
netsh ipsec static add filter filterlist=%FL% srcaddr=any dstaddr=me protocol=UDP dstport=1434 description="SQL resolution"
netsh ipsec static add filteraction name=%POL%_block action=block
netsh ipsec static add rule name=%POL%_rule policy=%POL% filterlist=%FL% filteraction=%POL%_block
netsh ipsec static set policy name=%POL% assign=y
goto :eof

:remove
netsh ipsec static set policy name=%POL% assign=n
netsh ipsec static delete policy name=%POL%
goto :eof
:already
echo already there
goto :eof
:help
echo %~n0 [/remove]
goto :eof
:failed
echo failed: %errorlevel%
exit /b 1
