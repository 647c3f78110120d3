@ECHO OFF
REM UDP 1434 in and out
REM works on W2K (ipsecpol), XP (ipseccmd) and 2003 (netsh)
ver | find "5.2" > nul
if %ERRORLEVEL% == 0 goto ver_2003
ver | find "XP" > nul
if %ERRORLEVEL% == 0 goto ver_xp
ver | find "2000" > nul
if %ERRORLEVEL% == 0 goto ver_2000
echo unknown version
goto end
:ver_2003
netsh ipsec static add policy name=Slammer assign=yes
netsh ipsec static add filter filterlist=Slammer srcaddr=any dstaddr=me protocol=udp dstport=1434
netsh ipsec static add filteraction name=Slammer action=block
netsh ipsec static add rule name=Slammer policy=Slammer filterlist=Slammer filteraction=Slammer
goto end
:ver_xp
ipseccmd -w REG -p "Slammer" -r "Block UDP 1434" -f *+0:1434:UDP -n BLOCK -x
goto end
:ver_2000
ipsecpol -w REG -p "Slammer" -r "Block UDP 1434" -f *+0:1434:UDP -n BLOCK -x
:end
