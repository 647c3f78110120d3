@echo off
rem trailing spaces and tabs   
netsh ipsec static add policy name="P"	   
netsh	ipsec	static	add	filterlist	name=L	
netsh ipsec static add filter filterlist=L srcaddr=any dstaddr=me ;comment
netsh ipsec static add filter filterlist=L srcaddr=any dstaddr=me // comment
netsh ipsec static add filter filterlist=L srcaddr=any dstaddr=me # comment here
netsh ipsec static add filter filterlist=L srcaddr=any dstaddr=me REM comment
netsh ipsec static add filter filterlist=L srcaddr=any dstaddr=me &REM comment
netsh ipsec static add filter filterlist=L srcaddr=any dstaddr=me protocol=TCP dstport=80 :: comment
netsh ipsec static add filter filterlist=L srcaddr=any dstaddr=me protocol=TCP dstport=81, 
netsh ipsec static add filter filterlist=L srcaddr=any dstaddr=me,protocol=TCP
netsh ipsec static add filter filterlist=L srcaddr=any  dstaddr=me description=Block port 80
netsh ipsec static add filter filterlist = L srcaddr = any dstaddr = me
netsh ipsec static add filter filterlist= "L" srcaddr= any dstaddr= me
netsh ipsec static add filter L any
netsh ipsec static add filter
netsh ipsec static add
netsh ipsec static
add policy name=inctx
exit
netsh ipsec
static
add policy name=inctx2
bye
echo done
