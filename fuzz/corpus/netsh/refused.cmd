netsh ipsec static add policy name=fail
netsh ipsec static add rule name=x policy=fail filterlist=none filteraction=none
