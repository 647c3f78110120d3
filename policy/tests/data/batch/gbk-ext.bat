@echo off
netsh ipsec static add policy name=êPé]¶Ë¿Ú
netsh ipsec static add filteraction name=¾Ü½^ action=block
