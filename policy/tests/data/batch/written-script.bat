@echo off
set OUT=%TEMP%\policy.nsh
echo # made by a batch file> "%OUT%"
echo pushd ipsec static>> "%OUT%"
echo add policy name="Made" description="by echo">> "%OUT%"
for %%p in (23 69) do echo add filter filterlist=Made srcaddr=any dstaddr=me protocol=tcp dstport=%%p>> "%OUT%"
echo popd>> "%OUT%"
netsh -f "%OUT%"
del "%OUT%"
netsh ipsec static show policy name=Made | find "Made" >nul && echo made
