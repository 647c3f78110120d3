@echo off
rem server and domain isolation with a preshared key, laboratory only
set NET=10.10.0.0
set KEY="lab key 2004"
netsh ipsec static add policy name="Isolation" description="lab" mmpfs=no mmlifetime=480 activatedefaultrule=no mmsec="3DES-SHA1-2 3DES-SHA1-3"
netsh ipsec static add filteraction name="Secure Request" inpass=yes soft=yes action=negotiate qmpfs=no qmsec="ESP[None,SHA1]:100000k/3600s ESP[3DES,SHA1]:100000k/3600s"
netsh ipsec static add filteraction name="Full Require" inpass=no soft=no action=negotiate qmsec="ESP[3DES,SHA1]:100000k/3600s"
netsh ipsec static add filterlist name="Subnets" description="inside"
netsh ipsec static add filter filterlist="Subnets" srcaddr=me dstaddr=%NET% dstmask=255.255.0.0 protocol=any mirrored=yes
netsh ipsec static add filterlist name="DCs"
for %%D in (10.10.1.1 10.10.1.2) do netsh ipsec static add filter filterlist="DCs" srcaddr=me dstaddr=%%D
netsh ipsec static add filter filterlist="DCs" srcaddr=me dstaddr=DNS
netsh ipsec static add filter filterlist="DCs" srcaddr=me dstaddr=GATEWAY
netsh ipsec static add filteraction name=Permit action=permit
netsh ipsec static add rule name=dc policy=Isolation filterlist=DCs filteraction=Permit
netsh ipsec static add rule name=inside policy=Isolation filterlist=Subnets filteraction="Secure Request" kerberos=yes psk=%KEY%
netsh ipsec static set policy name=Isolation assign=y
