netsh ipsec static add filter filterlist=f srcaddr=10.0.0.300 dstaddr=me
netsh ipsec static add filter filterlist=f srcaddr=me dstaddr=10.0.0.0/33
netsh ipsec static add filter filterlist=f srcaddr=me dstaddr=any protocol=any srcport=99999
netsh ipsec static add filteraction name=f qmsec="ESP[ROT13,MD5]"
netsh ipsec static add policy
netsh ipsec static frobnicate
