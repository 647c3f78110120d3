@echo off
echo 正在设置安全策略
netsh ipsec static add policy name=安全策略 description=禁止危险端口
netsh ipsec static add filterlist name=危险端口
netsh ipsec static add filter filterlist=危险端口 srcaddr=any dstaddr=me protocol=TCP dstport=135 mirrored=yes
netsh ipsec static add filteraction name=阻止 action=block
netsh ipsec static add rule name=规则 policy=安全策略 filterlist=危险端口 filteraction=阻止
netsh ipsec static set policy name=安全策略 assign=y
pause>nul
