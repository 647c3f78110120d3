netsh ipsec static add policy name=P
netsh ipsec static add filter filterlist=L srcaddr=me dstaddr=10.0.0.1
netsh ipsec static add filteraction name=A action=negotiate
netsh ipsec static add rule name=R1 policy=P filterlist=L filteraction=A conntype=lan psk=abc
netsh ipsec static add rule name=R2 policy=P filterlist=L filteraction=A conntype=dialup psk="a b c"
netsh ipsec static add rule name=R3 policy=P filterlist=L filteraction=A tunnel=1.2.3.4 rootca="CN=Root, O=Example, C=US certmap:yes excludecaname:no"
netsh ipsec static add rule name=R4 policy=P filterlist=L filteraction=A rootca="CN=\'Foo\' Root"
netsh ipsec static add rule name=R5 policy=P filterlist=L filteraction=A kerberos=yes psk=x rootca="CN=a" rootca="CN=b"
netsh ipsec static add rule name=R6 policy=P filterlist=L filteraction=A kerberos=no
netsh ipsec static add rule name=R7 policy=P filterlist=L filteraction=A rootca=CN=Foo
netsh ipsec static add rule name=R8 policy=P filterlist=L filteraction=A tunneldst=1.2.3.4
netsh ipsec static add rule name=R9 policy=P filterlist=L filteraction=A auth1=computerpsk
netsh ipsec static add rule name=R1 policy=P filterlist=L filteraction=A
netsh ipsec static add rule name=R10 policy=P filterlist=L filteraction=A kerberos
netsh ipsec static set rule name=R1 policy=P psk=zzz
netsh ipsec static set rule id=1 policy=P activate=no
netsh ipsec static set rule id=99 policy=P activate=no
netsh ipsec static set rule name=R1 activate=no
netsh ipsec static delete rule id=1 policy=P
netsh ipsec static delete rule name=all policy=P
netsh ipsec static delete rule all P
