ipsecpol -w REG -p "P":30 -r R -f 0+10.1.*.*:80:TCP [*+0] (0+*::17) DEFAULT -n AH[SHA]+ESP[DES,NONE]5000K/900SP2 INPASS -t 1.2.3.4 -soft -lan -1s 3DES-SHA-2 -1k 10Q/3600S -1p -a p:"x y" CERT:"CN=A" -x
ipseccmd -f 0=1.2.3.4 -n BLOCK -1e 60 -dialup
ipseccmd -u
