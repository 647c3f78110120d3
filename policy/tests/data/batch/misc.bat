@echo off & setlocal & cd /d %~dp0
title hardening
color 0a
mode con cols=80
echo.
echo [1] on  [2] off
choice /c 12 /n
if errorlevel 2 goto off
if errorlevel 1 goto on
:on
netsh ipsec static importpolicy %~dp0policy.ipsec
goto end
:off
netsh ipsec static set policy name=x assign=n
:end
