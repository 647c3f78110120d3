@echo off
REM KB 816514: NetA to NetB, one filter list for each direction, not mirrored
netsh ipsec static delete all
netsh ipsec static add policy name="Branch tunnel" description="NetA to NetB" activatedefaultrule=no
netsh ipsec static add filterlist name="A to B"
netsh ipsec static add filter filterlist="A to B" srcaddr=10.1.0.0 srcmask=255.255.0.0 dstaddr=10.2.0.0 dstmask=255.255.0.0 protocol=any mirrored=no
netsh ipsec static add filter filterlist="B to A" srcaddr=10.2.0.0 srcmask=16 dstaddr=10.1.0.0 dstmask=16 mirrored=no
netsh ipsec static add filteraction name=Secure action=negotiate qmpfs=no inpass=no soft=no qmsecmethods="ESP[DES,MD5]:100000k/3600s"
netsh ipsec static add rule name=out policy="Branch tunnel" filterlist="A to B" filteraction=Secure tunnel=203.0.113.2 conntype=lan psk="-actual key-"
netsh ipsec static add rule name=in policy="Branch tunnel" filterlist="B to A" filteraction=Secure tunnel=203.0.113.1 conntype=lan psk="-actual key-"
netsh ipsec static set policy name="Branch tunnel" assign=y
netsh ipsec static show policy name="Branch tunnel" level=verbose
