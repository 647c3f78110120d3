@echo off
:menu
cls
echo 1. block
echo 2. permit
set /p choice=Your choice:
if "%choice%"=="1" goto block
if "%choice%"=="2" goto permit
goto menu
:block
netsh ipsec static add policy name=Block
goto menu
:permit
netsh ipsec static delete policy name=Block
goto menu
