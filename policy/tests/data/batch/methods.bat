@echo off
netsh ipsec static add filteraction name="Neg" ^
    action=negotiate ^
    qmsecmethods="ESP[3DES,SHA1]:100000k/3600s ESP[3DES,MD5]:100000k/3600s AH[SHA1]+ESP[None,SHA1]" ^
    inpass=yes soft=no qmpfs=yes
netsh ipsec static add filteraction name="Neg2" action=negotiate qmsecmethods="AH[MD5]+ESP[DES,None]"
netsh ipsec static add filteraction name="Neg3" action=negotiate qmsecmethods=ESP[3DES,SHA1]
netsh ipsec static add filteraction name="Neg4" action=negotiate qmsecmethods="(ESP[3DES,SHA1]:100000k/3600s)"
netsh ipsec static add filteraction name="Neg5" action=negotiate qmsecmethods="ESP[3DES,SHA1]:3600s/100000k"
netsh ipsec static add filteraction name="Neg6" action=negotiate qmsecmethods="ESP[3DES,SHA1],ESP[DES,MD5]"
netsh ipsec static add filteraction name="Neg7" action=negotiate qmsecmethods="ESP [3DES, SHA1]"
netsh ipsec static add filteraction name="Neg8" action=negotiate qmsecmethods="esp[3des,sha1]:100000K/3600S"
netsh ipsec static add policy name=A mmsecmethods="3DES-SHA1-2"
netsh ipsec static add policy name=B mmsecmethods="3DES-SHA1-2 3DES-MD5-3"
netsh ipsec static add policy name=C mmsecmethods=3DES-SHA1-2
netsh ipsec static add policy name=D mmsecmethods="3DES-SHA1-14"
netsh ipsec static add policy name=E mmsecmethods="AES128-SHA1-2"
netsh ipsec static add policy name=F mmsecmethods="3DES-SHA-2"
netsh ipsec static add policy name=G mmpfs=yes qmpermm=1 mmlifetime=480 pollinginterval=60 assign=yes activatedefaultrule=no
netsh ipsec static add policy name=H mmsecmethods="(3DES-SHA1-2)"
netsh ipsec static add policy name=I mmsecmethods="3DES-SHA1-2,DES-MD5-1"
netsh ipsec static add policy name=J pollinginterval=0
netsh ipsec static add policy name=K mmlifetime=-1
netsh ipsec static add policy name=L mmlifetime=abc
netsh ipsec static add policy name=M assign
netsh ipsec static add policy name=M2 assign=1
netsh ipsec static add policy name=M3 assign=true
