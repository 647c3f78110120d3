@echo off
>nul 2>&1 "%SYSTEMROOT%\system32\cacls.exe" "%SYSTEMROOT%\system32\config\system"
if '%errorlevel%' NEQ '0' (
    goto elevate
) else ( goto elevated )
:elevate
    echo Set UAC = CreateObject^("Shell.Application"^) > "%temp%\elevate.vbs"
    "%temp%\elevate.vbs"
    exit /B
:elevated
    if exist "%temp%\elevate.vbs" ( del "%temp%\elevate.vbs" )
sc config PolicyAgent start= auto >nul
net start PolicyAgent >nul 2>nul
set /a rules=0
setlocal enabledelayedexpansion
%windir%\system32\netsh.exe ipsec static add policy name=Ports >nul 2>&1
for %%p in (135 139 445) do (
    set /a rules+=1
    %windir%\system32\netsh.exe ipsec static add filter filterlist=Ports srcaddr=any dstaddr=me protocol=tcp dstport=%%p description="number !rules!"
)
(netsh ipsec static add filteraction name=Block action=block)>nul && netsh ipsec static add rule name=Ports policy=Ports filterlist=Ports filteraction=Block
cmd /c "netsh ipsec static set policy name=Ports assign=y"
