@echo off
netsh ipsec static show policy name=Guard >nul
if errorlevel 1 netsh ipsec static add policy name=Guard
if %errorlevel% neq 0 echo failed
netsh ipsec static show filterlist name=Guard >nul 2>&1 || netsh ipsec static add filterlist name=Guard
