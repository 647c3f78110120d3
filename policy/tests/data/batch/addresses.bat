netsh ipsec static add filter filterlist=R srcaddr=10.0.0.1-10.0.0.20 dstaddr=me
netsh ipsec static add filter filterlist=R srcaddr=10.0.0.0/8 dstaddr=me
netsh ipsec static add filter filterlist=R srcaddr=10.0.0.0/255.0.0.0 dstaddr=me
netsh ipsec static add filter filterlist=R srcaddr=10.0.0.0 srcmask=8 dstaddr=me
netsh ipsec static add filter filterlist=R srcaddr=me dstaddr=DNS
netsh ipsec static add filter filterlist=R srcaddr=me dstaddr=dhcp
netsh ipsec static add filter filterlist=R srcaddr=WINS dstaddr=me
netsh ipsec static add filter filterlist=R srcaddr=me dstaddr=gateway
netsh ipsec static add filter filterlist=R srcaddr=me dstaddr="gateway"
netsh ipsec static add filter filterlist=R srcaddr=me dstaddr=www.example.com
netsh ipsec static add filter filterlist=R srcaddr=0.0.0.0 srcmask=0.0.0.0 dstaddr=me
netsh ipsec static add filter filterlist=R srcaddr=192.168.1.5 srcmask=255.255.255.255 dstaddr=me protocol=6 dstport=80
netsh ipsec static add filter filterlist=R srcaddr=any dstaddr=me protocol=47
netsh ipsec static add filter filterlist=R srcaddr=any dstaddr=me protocol=GRE
netsh ipsec static add filter filterlist=R srcaddr=any dstaddr=me protocol=raw
netsh ipsec static add filter filterlist=R srcaddr=any dstaddr=me protocol=tcp dstport=80,443
netsh ipsec static add filter filterlist=R srcaddr=any dstaddr=me protocol=tcp dstport=1-1024
netsh ipsec static add filter filterlist=R srcaddr=any dstaddr=me protocol=tcp dstport=any
netsh ipsec static add filter filterlist=R srcaddr=any dstaddr=me protocol=tcp dstport=http
netsh ipsec static add filter filterlist=R srcaddr=localhost dstaddr=me
netsh ipsec static add filter filterlist=R srcaddr=2001:db8::1 dstaddr=me
netsh ipsec static add filter filterlist=R srcaddr=localsubnet dstaddr=me
netsh ipsec static add filter filterlist=R srcaddr=224.0.0.1 dstaddr=me
netsh ipsec static add filter filterlist=R srcaddr=me dstaddr=me
netsh ipsec static add filter filterlist=R srcaddr=255.255.255.255 dstaddr=me
