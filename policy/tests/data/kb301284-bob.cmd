@echo off
REM KB 301284: Bob's computer, Bobslap, 172.31.67.244. Alice's is Alicepc, 172.16.98.231.

REM Create the filter list: from my address, any port, to Alice's ports 6667 and 6668; mirrored.
netsh ipsec static add filterlist name="Abczz to Alice's PC"
netsh ipsec static add filter filterlist="Abczz to Alice's PC" srcaddr=Me dstaddr=172.16.98.231 protocol=TCP srcport=0 dstport=6667 mirrored=yes
netsh ipsec static add filter filterlist="Abczz to Alice's PC" srcaddr=Me dstaddr=172.16.98.231 protocol=TCP srcport=0 dstport=6668 mirrored=yes

REM Create the filter action: do not communicate with computers that do not support IPSec, High, clear text refused, PFS.
netsh ipsec static add filteraction name="Encrypt Abczz" action=negotiate soft=no inpass=no qmpfs=yes qmsecmethods="ESP[3DES,SHA1]"

REM Create the policy without the default response rule, one rule on the LAN without a tunnel, a preshared key.
netsh ipsec static add policy name="Bob's IPSec" activatedefaultrule=no
netsh ipsec static add rule name="Abczz with Alice" policy="Bob's IPSec" filterlist="Abczz to Alice's PC" filteraction="Encrypt Abczz" conntype=lan psk="a long string that Alice and Bob remember"

REM Assign the policy.
netsh ipsec static set policy name="Bob's IPSec" assign=y
