netsh ipsec static add filteraction ^
	name="High" ^
	qmsec="AH[SHA1]+ESP[3DES,SHA1]:0k/900s ESP[3DES,MD5]" ^
	action=NEGOTIATE  qmpfs=yes
netsh.exe IPSEC Static ADD filter "web" me any protocol = tcp srcport = 0 dstport = 80 mirrored = yes
netsh ipsec static set filteraction name=High newname=Higher inpass=y
